//! Metadata of several levels made one: what is nearer to the user wins.
//!
//! Always holds: a key has the value of the nearest level that has one, whatever that value is: false, 0, an empty text and
//! null are values. Merged deeply, objects are made of both levels' members, by the same rule; nothing else is.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::{DataType, MetaKey, MetaValue};
use crate::write::members;

/// Where a value comes from, the farthest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The declaration of the key.
    Default,
    /// What all share.
    Global,
    /// The row.
    Entity,
    /// The user who asks.
    User,
}

impl Level {
    /// Those at which somebody sets values, the farthest first.
    pub const SET: [Self; 3] = [Self::Global, Self::Entity, Self::User];

    /// As answers and entity files say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Global => "global",
            Self::Entity => "entity",
            Self::User => "user",
        }
    }

    /// The level of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Default, Self::Global, Self::Entity, Self::User].into_iter().find(|own| own.name() == name)
    }
}

/// How values of several levels are made one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MergeDepth {
    /// The nearest level's value is the whole value.
    #[default]
    Shallow,
    /// Objects are merged member by member.
    Deep,
}

/// A value, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// At which level.
    pub level: Level,
    /// Under which key.
    pub key: String,
    /// What.
    pub value: MetaValue,
}

/// What a key has after merging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedValue {
    /// Its value.
    pub value: MetaValue,
    /// The nearest level that the value has something of.
    pub level: Level,
    /// All levels that it has something of, the nearest first; more than one where objects were merged.
    pub from: Vec<Level>,
}

/// Makes one value of each key, in order of the keys.
///
/// ```
/// use hedgerow_schema::meta::{Found, Level, MergeDepth, MetaValue, merge};
/// let found = |level, json| Found { level, key: "theme".into(), value: MetaValue::read(json).unwrap() };
/// let all = vec![found(Level::Global, r#"{"dark":true,"size":2}"#), found(Level::User, r#"{"dark":false}"#)];
/// let shallow = merge(all.clone(), MergeDepth::Shallow);
/// assert_eq!(shallow["theme"].value.json(), r#"{"dark":false}"#);
/// let deep = merge(all, MergeDepth::Deep);
/// assert_eq!(deep["theme"].value.json(), r#"{"dark":false,"size":2}"#);
/// assert_eq!(deep["theme"].from, [Level::User, Level::Global]);
/// ```
pub fn merge(found: Vec<Found>, depth: MergeDepth) -> BTreeMap<String, MergedValue> {
    let mut keys: BTreeMap<String, Vec<(Level, MetaValue)>> = BTreeMap::new();
    for Found { level, key, value } in found {
        keys.entry(key).or_default().push((level, value));
    }
    let one = |mut levels: Vec<(Level, MetaValue)>| {
        levels.sort_by_key(|(level, _)| *level);
        let mut merged: Option<MergedValue> = None;
        // From the farthest to the nearest, so that what is no object cuts off what is behind it.
        for (level, value) in levels {
            let joined = merged.take().filter(|_| depth == MergeDepth::Deep).and_then(|behind| {
                let value = deep(value.text(), behind.value.text(), &value, &behind.value)?;
                Some(MergedValue { value, level, from: [vec![level], behind.from].concat() })
            });
            merged = Some(joined.unwrap_or_else(|| MergedValue { value, level, from: vec![level] }));
        }
        merged
    };
    keys.into_iter().filter_map(|(key, levels)| Some((key, one(levels)?))).collect()
}

/// Two objects as one; `None` where they are not both objects.
fn deep(near: &str, far: &str, near_value: &MetaValue, far_value: &MetaValue) -> Option<MetaValue> {
    let is_json = |value: &MetaValue| value.data_type() == DataType::Json;
    if !is_json(near_value) || !is_json(far_value) {
        return None;
    }
    Some(MetaValue::stored(DataType::Json, objects(near, far)?))
}

/// The members of both, those of `near` first and in its order.
fn objects(near: &str, far: &str) -> Option<String> {
    let (mut all, mut places) = (Vec::new(), HashMap::new());
    let mut put = |name: String, value: &str, is_far: bool| match places.entry(name) {
        Entry::Vacant(place) => {
            all.push((place.key().clone(), value.to_owned(), is_far));
            place.insert(all.len() - 1);
        }
        Entry::Occupied(place) => {
            let (_, own, of_far) = &mut all[*place.get()];
            // Of a member that stands twice in one object the last one counts, as everywhere.
            if *of_far == is_far {
                value.clone_into(own);
            }
        }
    };
    let (near, far) = (members(near).ok()?, members(far).ok()?);
    let behind: HashMap<&str, &str> = far.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
    for (name, value) in near {
        let both = behind.get(name.as_str()).and_then(|behind| objects(value.get(), behind));
        put(name, both.as_deref().unwrap_or(value.get()), false);
    }
    for (name, value) in &far {
        put(name.clone(), value.get(), true);
    }
    let members =
        all.iter().map(|(name, value, _)| format!("{}:{value}", serde_json::Value::from(name.as_str())));
    Some(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
}

/// The defaults of declared keys, for `user`, or for nobody in particular.
pub fn defaults<'k>(keys: impl IntoIterator<Item = &'k MetaKey>, user: Option<&str>) -> Vec<Found> {
    let value = |key: &MetaKey| {
        let value = key.default_value()?;
        let is_chosen =
            key.rollout.zip(user).is_some_and(|(percent, user)| is_rolled_out(key.name(), user, percent));
        let value = if is_chosen {
            let opposite = if value.text() == "true" { "false" } else { "true" };
            MetaValue::stored(DataType::Boolean, opposite.to_owned())
        } else {
            value
        };
        Some(Found { level: Level::Default, key: key.name().to_owned(), value })
    };
    keys.into_iter().filter_map(value).collect()
}

/// Whether a user is among the first `percent` of a hundred; always the same answer for a user and a key, and for two keys
/// other users.
fn is_rolled_out(key: &str, user: &str, percent: u8) -> bool {
    // FNV-1a with the last step of MurmurHash3 (public domain), which spreads what differs in the last letter alone.
    let bytes = key.bytes().chain([0]).chain(user.bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    hash % 100 < u64::from(percent)
}
