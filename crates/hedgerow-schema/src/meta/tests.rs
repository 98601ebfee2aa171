//! Values that come back as they went in, and the laws of merging.

use proptest::prelude::*;

use super::*;
use crate::{EntityFile, Schema};

fn read(json: &str) -> MetaValue {
    MetaValue::read(json).unwrap()
}

#[test]
fn a_value_comes_back_as_it_went_in() {
    let check = |json: &str, data_type: DataType| {
        let value = read(json);
        assert_eq!((value.json().as_str(), value.data_type()), (json, data_type));
        assert_eq!(MetaValue::of_text(data_type, value.text()).unwrap(), value);
        assert_eq!(MetaValue::shown(data_type, json), value);
    };
    check("false", DataType::Boolean);
    check("true", DataType::Boolean);
    check("0", DataType::Number);
    check("-0", DataType::Number);
    check("1.10", DataType::Number);
    check("12345678901234567890.123456789", DataType::Number);
    check("\"\"", DataType::Text);
    check("\"null\"", DataType::Text);
    check("\"a \\\"b\\\" \\\\ ü\"", DataType::Text);
    check("{}", DataType::Json);
    check("[]", DataType::Json);
    check(r#"{"a":null,"b":[1.50,false,""],"a ":"x"}"#, DataType::Json);
}

#[test]
fn a_number_is_stored_without_an_exponent() {
    assert_eq!(read("1e3").text(), "1000");
    assert_eq!(read("-2.5E-3").text(), "-0.0025");
    assert_eq!(MetaValue::of_text(DataType::Number, "-007.50").unwrap().json(), "-7.5");
    assert_eq!(MetaValue::of_text(DataType::Number, "-0.50").unwrap().json(), "-0.50");
    assert_eq!(MetaValue::of_text(DataType::Number, "0").unwrap().json(), "0");
    assert_eq!(MetaValue::read("1e400").unwrap_err().code, "out_of_range");
    assert_eq!(MetaValue::read("1e-300").unwrap_err().code, "out_of_range");
}

#[test]
fn moments_are_stored_in_one_form() {
    let moment = |json| MetaValue::read_as(DataType::Datetime, json).map(|value| value.json());
    assert_eq!(moment("\"2026-01-31T10:30:00+01:00\"").unwrap(), "\"2026-01-31T09:30:00.000Z\"");
    assert_eq!(moment("\"2026-01-31T09:30:00.123987Z\"").unwrap(), "\"2026-01-31T09:30:00.123Z\"");
    assert_eq!(moment("\"2026-02-30T09:30:00Z\"").unwrap_err().code, "invalid_datetime");
}

#[test]
fn what_does_not_fit_its_type_is_refused() {
    let code = |data_type, json| MetaValue::read_as(data_type, json).unwrap_err().code;
    assert_eq!(code(DataType::Number, "\"5\""), "wrong_data_type");
    assert_eq!(code(DataType::Boolean, "1"), "wrong_data_type");
    assert_eq!(code(DataType::Text, "5"), "wrong_data_type");
    assert_eq!(code(DataType::Date, "\"2026-02-30\""), "invalid_date");
    assert_eq!(code(DataType::Json, "null"), "null_value");
    assert_eq!(code(DataType::Text, "\"a\\u0000\""), "nul_byte");
    assert_eq!(code(DataType::Json, "{\"a\":\"\\u0000\"}"), "nul_byte");
    assert_eq!(check_key("").unwrap_err().code, "invalid_meta_key");
    assert_eq!(check_key(&"k".repeat(256)).unwrap_err().code, "invalid_meta_key");
    assert!(check_key(&"ü".repeat(255)).is_ok());
}

fn schema(text: &str) -> Schema {
    Schema::parse(&[EntityFile { name: "tasks.toml".into(), text: format!("name = \"tasks\"\n{text}") }])
        .unwrap()
}

#[test]
fn a_declaration_checks_and_has_a_default() {
    let schema = schema(
        "metadata = \"strict\"\n\
         [metas.weight]\ntype = \"number\"\nmin = 1\ndefault = 2.5\nsearchable = true\n\
         [metas.color]\ntype = \"select\"\noptions = [\"red\", \"blue\"]\npublic = true\n\
         [metas.beta]\ntype = \"boolean\"\ndefault = false\nrollout = 25\n",
    );
    let metadata = schema.entity("tasks").unwrap().metadata.as_ref().unwrap();
    assert_eq!(metadata.unknown, UnknownKeys::Refused);
    let weight = metadata.key("weight").unwrap();
    assert_eq!((weight.level, weight.searchable, weight.public), (Level::Entity, true, false));
    assert_eq!(weight.default_value().unwrap().json(), "2.5");
    assert_eq!(weight.read("3").unwrap().json(), "3");
    assert_eq!(weight.read("0.5").unwrap_err().code, "too_small");
    assert_eq!(metadata.key("color").unwrap().read("\"green\"").unwrap_err().code, "not_an_option");
    assert_eq!(metadata.key("beta").unwrap().level, Level::Global);
}

#[test]
fn a_rollout_is_the_same_for_a_user_and_as_wide_as_it_says() {
    let schema = schema("metadata = true\n[metas.beta]\ntype = \"boolean\"\ndefault = false\nrollout = 25\n");
    let metadata = schema.entity("tasks").unwrap().metadata.as_ref().unwrap();
    let is_on = |user: &str| defaults(&metadata.keys, Some(user))[0].value.text() == "true";
    let on = (0..10_000).filter(|n| is_on(&format!("user-{n}"))).count();
    assert!((2_300..2_700).contains(&on), "{on} of 10,000");
    assert!((0..100).all(|n| is_on(&format!("u{n}")) == is_on(&format!("u{n}"))));
    assert_eq!(defaults(&metadata.keys, None)[0].value.text(), "false");
}

/// Documents of few names, so that they meet.
fn document() -> BoxedStrategy<serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        (-3_i64..3).prop_map(serde_json::Value::from),
        Just(serde_json::Value::from("")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Objects all the way down: what is no object has the names of its own.
fn objects() -> impl Strategy<Value = serde_json::Value> {
    let leaves = proptest::collection::btree_map("[xyz]", -3_i64..3, 0..3);
    let leaves = leaves.prop_map(|members| members.into_iter().map(|(key, n)| (key, n.into())).collect());
    leaves.prop_map(serde_json::Value::Object).prop_recursive(3, 24, 3, |inner| {
        (
            proptest::collection::btree_map("[xyz]", -3_i64..3, 0..3),
            proptest::collection::btree_map("[abc]", inner, 0..3),
        )
            .prop_map(|(leaves, inner)| {
                let leaves = leaves.into_iter().map(|(key, n)| (key, serde_json::Value::from(n)));
                serde_json::Value::Object(leaves.chain(inner).collect())
            })
    })
}

/// What is set at each level, the farthest first.
fn levels(
    value: BoxedStrategy<serde_json::Value>,
) -> impl Strategy<Value = Vec<std::collections::BTreeMap<String, serde_json::Value>>> {
    proptest::collection::vec(proptest::collection::btree_map("[klm]", value, 0..4), 4)
}

const ALL: [Level; 4] = [Level::Default, Level::Global, Level::Entity, Level::User];

fn found(levels: &[std::collections::BTreeMap<String, serde_json::Value>]) -> Vec<Found> {
    let one = |(level, keys): (Level, &std::collections::BTreeMap<String, serde_json::Value>)| {
        let found = |(key, value): (&String, &serde_json::Value)| Found {
            level,
            key: key.clone(),
            // As a document, so that null is a value too.
            value: MetaValue::stored(DataType::Json, value.to_string()),
        };
        keys.iter().map(found).collect::<Vec<_>>()
    };
    ALL.into_iter().zip(levels).flat_map(one).collect()
}

fn json(value: &MetaValue) -> serde_json::Value {
    serde_json::from_str(value.text()).unwrap()
}

/// What merging deeply means, said with values instead of texts.
fn deep_values(near: &serde_json::Value, far: &serde_json::Value) -> serde_json::Value {
    match (near, far) {
        (serde_json::Value::Object(near), serde_json::Value::Object(far)) => {
            let mut all = far.clone();
            for (key, value) in near {
                let value = far.get(key).map_or_else(|| value.clone(), |far| deep_values(value, far));
                all.insert(key.clone(), value);
            }
            serde_json::Value::Object(all)
        }
        _ => near.clone(),
    }
}

proptest! {
    #[test]
    fn the_nearest_level_wins_and_says_so(levels in levels(document()), seed in any::<u64>()) {
        let mut all = found(&levels);
        // In whatever order they were found.
        let length = all.len().max(1);
        all.rotate_left(usize::try_from(seed % length as u64).unwrap());
        let merged = merge(all, MergeDepth::Shallow);
        for key in ["k", "l", "m"] {
            let nearest = ALL.into_iter().zip(&levels).rev().find_map(|(level, keys)| Some((level, keys.get(key)?)));
            match (nearest, merged.get(key)) {
                (None, None) => {}
                (Some((level, value)), Some(merged)) => {
                    prop_assert_eq!(json(&merged.value), value.clone());
                    prop_assert_eq!(merged.level, level);
                    prop_assert_eq!(&merged.from, &vec![level]);
                }
                (expected, merged) => prop_assert!(false, "{key}: {expected:?}, {merged:?}"),
            }
        }
    }

    #[test]
    fn deeply_merged_objects_have_the_nearest_of_each_member(levels in levels(document())) {
        let merged = merge(found(&levels), MergeDepth::Deep);
        for key in ["k", "l", "m"] {
            let values: Vec<_> =
                ALL.into_iter().zip(&levels).filter_map(|(level, keys)| Some((level, keys.get(key)?))).collect();
            let expected = values.iter().fold(None, |far: Option<serde_json::Value>, (_, near)| {
                Some(far.map_or_else(|| (*near).clone(), |far| deep_values(near, &far)))
            });
            prop_assert_eq!(merged.get(key).map(|own| json(&own.value)), expected);
            let Some(own) = merged.get(key) else { continue };
            // It has something of the nearest level, and of those behind as far as all are objects.
            let behind = values.iter().rev().skip(1).take_while(|(_, value)| value.is_object());
            let behind = behind.map(|(level, _)| *level);
            let nearest = values.last().unwrap();
            let from: Vec<Level> = if nearest.1.is_object() {
                std::iter::once(nearest.0).chain(behind).collect()
            } else {
                vec![nearest.0]
            };
            prop_assert_eq!(own.level, nearest.0);
            prop_assert_eq!(&own.from, &from);
        }
    }

    #[test]
    fn one_level_or_none_changes_nothing(levels in levels(document())) {
        for depth in [MergeDepth::Shallow, MergeDepth::Deep] {
            prop_assert!(merge(Vec::new(), depth).is_empty());
            let alone = merge(found(&levels[..1]), depth);
            let same: std::collections::BTreeMap<_, _> =
                alone.iter().map(|(key, own)| (key.clone(), json(&own.value))).collect();
            prop_assert_eq!(&same, &levels[0]);
        }
    }

    #[test]
    fn deep_merging_of_objects_is_associative_and_idempotent(a in objects(), b in objects(), c in objects()) {
        let deep = |near: &serde_json::Value, far: &serde_json::Value| {
            let one = |level, value: &serde_json::Value| Found {
                level,
                key: "k".to_owned(),
                value: MetaValue::stored(DataType::Json, value.to_string()),
            };
            let merged = merge(vec![one(Level::User, near), one(Level::Global, far)], MergeDepth::Deep);
            json(&merged["k"].value)
        };
        prop_assert_eq!(deep(&a, &deep(&b, &c)), deep(&deep(&a, &b), &c));
        prop_assert_eq!(deep(&a, &a), a.clone());
        prop_assert_eq!(deep(&a, &serde_json::json!({})), a);
    }
}

/// Where something that is no object stands between two objects, it hides the farther one, and merging them in another order
/// would not.
#[test]
fn what_is_no_object_hides_what_is_behind_it() {
    let one = |level, json: &str| Found { level, key: "k".to_owned(), value: read(json) };
    let merged = merge(
        vec![one(Level::Global, r#"{"a":1}"#), one(Level::Entity, "5"), one(Level::User, r#"{"b":2}"#)],
        MergeDepth::Deep,
    );
    assert_eq!(
        (merged["k"].value.json().as_str(), merged["k"].from.as_slice()),
        (r#"{"b":2}"#, &[Level::User][..])
    );
}

#[test]
fn digits_survive_a_deep_merge() {
    let one = |level, json: &str| Found { level, key: "k".to_owned(), value: read(json) };
    let merged = merge(
        vec![
            one(Level::Global, r#"{"n":12345678901234567890.10,"n":1.50}"#),
            one(Level::User, r#"{"m":2.0}"#),
        ],
        MergeDepth::Deep,
    );
    assert_eq!(merged["k"].value.json(), r#"{"m":2.0,"n":1.50}"#);
}
