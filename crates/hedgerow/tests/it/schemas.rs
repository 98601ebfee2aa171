//! Random schemas with random rows, and the way from one to another and back.
//!
//! `HEDGEROW_PAIRS=500 cargo test -p hedgerow --test it schemas` tries that many; a failure names its seed, and
//! `HEDGEROW_SEED=n` tries that one alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hedgerow::database::migrate::{self, DataLoss, Look, MigrationFile};
use hedgerow::migrations;
use hedgerow::schema::diff::{Loss, Pace, Plan};
use hedgerow::schema::{Roles, Schema};
use hedgerow_testing::{TestDatabase, schema_of};

/// The same numbers for the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % sides as u64).expect("few sides")
    }

    fn chance(&mut self, of_a_hundred: usize) -> bool {
        self.roll(100) < of_a_hundred
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.roll(from.len())]
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    ty: &'static str,
    required: bool,
    unique: bool,
    indexed: bool,
    searchable: bool,
    has_default: bool,
    limit: usize,
    target: String,
    on_delete: &'static str,
    renamed_from: Option<String>,
    description: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Entity {
    access: usize,
    soft_delete: bool,
    metadata: bool,
    fields: BTreeMap<String, Field>,
    index: Vec<String>,
    renamed_from: Option<String>,
}

type Model = BTreeMap<String, Entity>;
/// Table and column.
type Place = (String, String);

const TYPES: &[&str] = &[
    "text",
    "textarea",
    "markdown",
    "integer",
    "number",
    "boolean",
    "date",
    "datetime",
    "time",
    "json",
    "select",
    "multiselect",
    "tags",
    "email",
    "url",
    "phone",
    "slug",
    "uuid",
    "country",
    "currency",
    "timezone",
    "file",
    "user",
    "relation",
    "relation_many",
];
const ACCESS: &[(&str, &str)] = &[
    ("owner", "owner"),
    ("signed_in", "owner"),
    ("public", "signed_in"),
    ("public", "admin"),
    ("signed_in", "admin"),
];
const NAMES: &[&str] = &["alpha", "beta", "gamma", "delta", "epsilon"];

fn field(dice: &mut Dice, entities: &[String]) -> Field {
    let mut ty = *dice.pick(TYPES);
    if ty.starts_with("relation") && entities.is_empty() {
        ty = "text";
    }
    let target = if entities.is_empty() { String::new() } else { dice.pick(entities).clone() };
    Field {
        ty,
        required: dice.chance(25) && ty != "user" && !ty.starts_with("relation"),
        unique: dice.chance(15),
        indexed: dice.chance(25),
        searchable: dice.chance(25),
        has_default: dice.chance(35),
        limit: dice.roll(4),
        target,
        on_delete: ["cascade", "set_null", "restrict"][dice.roll(3)],
        renamed_from: None,
        description: dice.roll(3),
    }
}

fn entity(dice: &mut Dice, entities: &[String]) -> Entity {
    let fields: BTreeMap<String, Field> =
        (0..1 + dice.roll(7)).map(|_| (format!("f{}X", dice.roll(9)), field(dice, entities))).collect();
    let names: Vec<String> = fields.keys().cloned().collect();
    let index =
        if dice.chance(30) { vec![dice.pick(&names).clone(), "createdAt".to_owned()] } else { Vec::new() };
    Entity {
        access: dice.roll(ACCESS.len()),
        soft_delete: dice.chance(20),
        metadata: dice.chance(25),
        fields,
        index,
        renamed_from: None,
    }
}

fn model(dice: &mut Dice) -> Model {
    let names: Vec<String> =
        NAMES.iter().filter(|_| dice.chance(55)).map(|name| (*name).to_owned()).collect();
    let names = if names.is_empty() { vec!["alpha".to_owned()] } else { names };
    let mut model: Model = names.iter().map(|name| (name.clone(), entity(dice, &names))).collect();
    settle(&mut model);
    model
}

/// Takes out what no entity file may say.
fn settle(model: &mut Model) {
    let names: Vec<String> = model.keys().cloned().collect();
    for entity in model.values_mut() {
        for field in entity.fields.values_mut() {
            if field.ty.starts_with("relation") && !names.contains(&field.target) {
                field.target.clone_from(&names[0]);
            }
        }
        let fields: Vec<String> = entity.fields.keys().cloned().collect();
        let usable = |name: &String| {
            name == "createdAt"
                || (fields.contains(name)
                    && !matches!(
                        entity.fields[name].ty,
                        "json" | "multiselect" | "tags" | "file" | "relation_many"
                    ))
        };
        if !entity.index.iter().all(usable) {
            entity.index.clear();
        }
    }
}

/// Which types a type may become, given the values that [`value`] gives.
fn becomes(ty: &str) -> &'static [&'static str] {
    match ty {
        "text" | "textarea" | "markdown" => {
            &["text", "textarea", "markdown", "integer", "number", "tags", "slug"]
        }
        "integer" => &["number", "text", "json"],
        "number" => &["integer", "text"],
        "boolean" => &["text", "json"],
        "date" => &["datetime", "text"],
        "datetime" => &["date", "text"],
        "select" | "email" | "url" | "slug" | "uuid" | "time" | "country" => &["text", "textarea"],
        "tags" => &["text", "json"],
        _ => &[],
    }
}

fn mutated(dice: &mut Dice, before: &Model) -> Model {
    let mut model = before.clone();
    for entity in model.values_mut() {
        entity.renamed_from = None;
        entity.fields.values_mut().for_each(|field| field.renamed_from = None);
    }
    for _ in 0..1 + dice.roll(6) {
        let names: Vec<String> = model.keys().cloned().collect();
        let name = dice.pick(&names).clone();
        match dice.roll(14) {
            0 => {
                if let Some(free) =
                    NAMES.iter().find(|free| !before.contains_key(**free) && !model.contains_key(**free))
                {
                    model.insert((*free).to_owned(), entity(dice, &names));
                }
            }
            1 if model.len() > 1 => {
                model.remove(&name);
            }
            2 => {
                let free =
                    NAMES.iter().find(|free| !before.contains_key(**free) && !model.contains_key(**free));
                if let (Some(free), true) = (free, before.contains_key(&name)) {
                    let mut entity = model.remove(&name).expect("it is there");
                    entity.renamed_from = Some(name.clone());
                    model.insert((*free).to_owned(), entity);
                    for field in model.values_mut().flat_map(|entity| entity.fields.values_mut()) {
                        if field.target == name {
                            field.target = (*free).to_owned();
                        }
                    }
                }
            }
            choice => {
                let known = before.get(model[&name].renamed_from.as_ref().unwrap_or(&name)).cloned();
                mutate_entity(
                    dice,
                    model.get_mut(&name).expect("it is there"),
                    known.as_ref(),
                    choice,
                    &names,
                );
            }
        }
        settle(&mut model);
    }
    model
}

fn mutate_entity(
    dice: &mut Dice,
    entity: &mut Entity,
    before: Option<&Entity>,
    choice: usize,
    entities: &[String],
) {
    let names: Vec<String> = entity.fields.keys().cloned().collect();
    let name = dice.pick(&names).clone();
    let is_known = |name: &String| before.is_some_and(|before| before.fields.contains_key(name));
    match choice {
        3 | 4 => {
            let new = format!("n{}X", dice.roll(6));
            if !is_known(&new) {
                entity.fields.entry(new).or_insert_with(|| field(dice, entities));
            }
        }
        5 if names.len() > 1 => {
            entity.fields.remove(&name);
        }
        6 => {
            let new = format!("r{}X", dice.roll(6));
            if is_known(&name) && !entity.fields.contains_key(&new) && !is_known(&new) {
                let mut field = entity.fields.remove(&name).expect("it is there");
                field.renamed_from = Some(name.clone());
                entity.fields.insert(new.clone(), field);
                entity.index.iter_mut().filter(|own| **own == name).for_each(|own| own.clone_from(&new));
            }
        }
        7 => entity.access = dice.roll(ACCESS.len()),
        8 => {
            let field = entity.fields.get_mut(&name).expect("it is there");
            let to = becomes(field.ty);
            // A type that already changed once has values that the table of changes does not know.
            let old = field.renamed_from.as_ref().unwrap_or(&name);
            let unchanged =
                before.and_then(|before| before.fields.get(old)).is_some_and(|old| old.ty == field.ty);
            if !to.is_empty() && unchanged {
                field.ty = to[dice.roll(to.len())];
            }
        }
        9 => {
            let field = entity.fields.get_mut(&name).expect("it is there");
            field.required = !field.required && !matches!(field.ty, "user" | "relation" | "relation_many");
        }
        10 => {
            let field = entity.fields.get_mut(&name).expect("it is there");
            (field.unique, field.indexed) = (dice.chance(50), dice.chance(50));
        }
        11 => {
            let field = entity.fields.get_mut(&name).expect("it is there");
            (field.has_default, field.limit) = (dice.chance(50), dice.roll(4));
        }
        12 if dice.chance(50) => entity.metadata = !entity.metadata,
        12 => entity.soft_delete = !entity.soft_delete,
        _ => {
            let field = entity.fields.get_mut(&name).expect("it is there");
            (field.searchable, field.description) = (dice.chance(50), dice.roll(3));
            field.on_delete = ["cascade", "set_null", "restrict"][dice.roll(3)];
            entity.index = if dice.chance(50) { vec![name, "createdAt".to_owned()] } else { Vec::new() };
        }
    }
}

/// A type that the values of the rows cannot have is not asked for: refusing it is right, and another test's story.
fn keep_what_no_value_fits(before: &Model, after: &mut Model) {
    let now: BTreeMap<String, String> = after
        .iter()
        .map(|(name, entity)| (entity.renamed_from.as_ref().unwrap_or(name).clone(), name.clone()))
        .collect();
    for (name, entity) in after.iter_mut() {
        let Some(known) = before.get(entity.renamed_from.as_ref().unwrap_or(name)) else { continue };
        for (column, field) in &mut entity.fields {
            let old = known.fields.get(field.renamed_from.as_ref().unwrap_or(column));
            if let Some(old) = old.filter(|old| old.ty != field.ty && !becomes(old.ty).contains(&field.ty)) {
                *field = Field { renamed_from: field.renamed_from.clone(), ..old.clone() };
            }
            // Several rows have the same value there.
            if old.is_some_and(|old| matches!(old.ty, "select" | "user" | "boolean" | "relation")) {
                field.unique = false;
            }
            // The rows point at what was the target then.
            if let (Some(old), "relation" | "relation_many") = (old, field.ty) {
                match now.get(&old.target) {
                    Some(target) => field.target.clone_from(target),
                    None if field.ty == "relation" => field.ty = "text",
                    None => field.target.clear(),
                }
            }
        }
    }
    for entity in after.values_mut() {
        entity.fields.retain(|_, field| !field.ty.starts_with("relation") || !field.target.is_empty());
        if entity.fields.is_empty() {
            entity.index.clear();
        }
    }
    settle(after);
}

/// A schema's files. `existing` are the fields that have rows already: another needs a default to be required.
fn parsed(model: &Model, existing: Option<&Model>) -> Schema {
    let texts: Vec<(String, String)> = model
        .iter()
        .map(|(name, entity)| {
            let old = existing.and_then(|model| model.get(entity.renamed_from.as_ref().unwrap_or(name)));
            (name.clone(), text_of(entity, old, existing.is_some() && old.is_some()))
        })
        .collect();
    let pairs: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    schema_of(&pairs)
}

fn text_of(entity: &Entity, old: Option<&Entity>, has_rows: bool) -> String {
    let mut text = String::new();
    if let Some(renamed) = &entity.renamed_from {
        let _ = writeln!(text, "renamed_from = \"{renamed}\"");
    }
    if entity.soft_delete {
        text.push_str("soft_delete = true\n");
    }
    if entity.metadata {
        text.push_str("metadata = true\nmetas.one = { type = \"text\" }\n");
        if entity.soft_delete {
            text.push_str("metas.two = { type = \"integer\", searchable = true }\nmetas.open = { type = \"text\", public = true }\n");
        }
    }
    let (read, write) = ACCESS[entity.access];
    let _ = writeln!(text, "access = {{ read = \"{read}\", write = \"{write}\" }}");
    for (name, field) in &entity.fields {
        let is_new = has_rows
            && old.is_some_and(|old| !old.fields.contains_key(field.renamed_from.as_ref().unwrap_or(name)));
        let _ = writeln!(text, "[fields.{name}]\n{}", field_text(field, is_new));
    }
    if !entity.index.is_empty() {
        let names: Vec<String> = entity.index.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(text, "[[indexes]]\nfields = [{}]", names.join(", "));
    }
    text
}

fn field_text(field: &Field, is_new: bool) -> String {
    let mut text = format!("type = \"{}\"\n", field.ty);
    let is_list = matches!(field.ty, "multiselect" | "tags" | "json" | "file" | "relation_many");
    let is_text = matches!(field.ty, "text" | "textarea" | "markdown");
    if let Some(old) = &field.renamed_from {
        let _ = writeln!(text, "renamed_from = \"{old}\"");
    }
    if is_text || matches!(field.ty, "url" | "slug" | "email") {
        let _ = writeln!(text, "max_length = {}", 100 + 50 * field.limit);
    }
    match field.ty {
        "integer" | "number" if field.limit > 0 => {
            let _ = writeln!(text, "min = {}\nmax = {}", -(field.limit as i64), 1000 * field.limit);
        }
        "select" | "multiselect" => {
            let options: Vec<String> =
                ["7", "it's", "c"].iter().take(1 + field.limit).map(|o| format!("{o:?}")).collect();
            let _ = writeln!(text, "options = [{}]", options.join(", "));
        }
        "relation_many" => {
            let _ = writeln!(text, "entity = \"{}\"", field.target);
        }
        "relation" => {
            let on_delete =
                if field.required && field.on_delete == "set_null" { "cascade" } else { field.on_delete };
            let _ = writeln!(text, "entity = \"{}\"\non_delete = \"{on_delete}\"", field.target);
        }
        "user" => {
            let _ = writeln!(text, "on_delete = \"{}\"", field.on_delete);
        }
        _ => {}
    }
    if field.ty == "number" && field.limit == 2 {
        text.push_str("precision = 12\nscale = 3\n");
    }
    if field.unique
        && !is_list
        && !is_new
        && !matches!(field.ty, "boolean" | "select" | "user" | "relation" | "relation_many")
    {
        text.push_str("unique = true\n");
    }
    if field.indexed && !is_list {
        text.push_str("indexed = true\n");
    }
    if field.searchable && is_text {
        text.push_str("searchable = true\n");
    }
    if (field.has_default || (is_new && field.required))
        && !matches!(field.ty, "user" | "relation" | "relation_many")
    {
        let _ = writeln!(text, "default = {}", default_of(field));
    }
    if field.required {
        text.push_str("required = true\n");
    }
    if field.description > 0 {
        let _ = writeln!(text, "description = \"what it's for, {}\"", field.description);
    }
    text
}

fn default_of(field: &Field) -> &'static str {
    match field.ty {
        "integer" => "1",
        "number" => ["1.50", "1", "0.25", "1e0"][field.limit],
        "boolean" => "true",
        "date" => ["\"now()\"", "\"2026-02-03\""][field.limit % 2],
        "datetime" => ["\"now()\"", "\"2026-02-03T04:05:06Z\""][field.limit % 2],
        "time" => "\"04:05:06\"",
        "json" => r#"{ b = [1, 2], a = "x" }"#,
        "multiselect" => "[\"7\"]",
        "tags" => "[\"a b\", \"c\"]",
        "email" => "\"a@b.cd\"",
        "url" => "\"https://b.cd/\"",
        "phone" => "\"+4912345\"",
        "slug" => "\"a-b\"",
        "uuid" => "\"00000000-0000-4000-8000-000000000000\"",
        "country" => "\"DE\"",
        "currency" => "\"EUR\"",
        "timezone" => "\"Europe/Berlin\"",
        "select" => "\"7\"",
        _ => "\"7\"",
    }
}

/// SQL for the value of row `n`: one that every rule above accepts, and no other row has.
fn value(field: &Field, n: usize) -> String {
    match field.ty {
        "integer" | "number" => format!("{n}"),
        "boolean" => (if n.is_multiple_of(2) { "true" } else { "false" }).to_owned(),
        "date" => format!("date '2026-01-01' + {n}"),
        "datetime" => format!("timestamptz '2026-01-01 00:00:00+00' + interval '{n} day'"),
        "time" => format!("time '00:00:00' + interval '{n} minutes'"),
        "json" => format!("'{{\"n\": {n}}}'"),
        "multiselect" => "'{7}'".to_owned(),
        "tags" => format!("'{{tag{n},x}}'"),
        "email" => format!("'a{n}@b.cd'"),
        "url" => format!("'https://b.cd/{n}'"),
        "phone" => format!("'+49123{n}'"),
        "uuid" => format!("'00000000-0000-4000-8000-{n:012}'"),
        "country" => format!("'{}'", ["AT", "BE", "CH", "DE", "ES", "FR", "GB", "HU", "IT", "JP"][n % 10]),
        "currency" => {
            format!("'{}'", ["AUD", "BRL", "CAD", "DKK", "EUR", "GBP", "HUF", "INR", "JPY", "USD"][n % 10])
        }
        "user" => format!("'u{}'", n % 2),
        "relation" => "NULL".to_owned(),
        _ => format!("'{n}'"),
    }
}

/// Rows for two owners in every table; selects have one value that fits every list of options.
fn rows(model: &Model) -> String {
    let mut sql =
        "INSERT INTO \"user\" (id, name, email) VALUES ('u0', 'a', 'a@x'), ('u1', 'b', 'b@x');".to_owned();
    for (name, entity) in model {
        for n in 0..6 {
            let (mut columns, mut values) = (String::new(), String::new());
            for (own, field) in entity.fields.iter().filter(|(_, field)| field.ty != "relation_many") {
                // Only the first option stands in every version of the list.
                let value = match field.ty {
                    "select" => "'7'".to_owned(),
                    // Two owners each, and as many values as there are.
                    _ => value(field, n),
                };
                let _ = write!(columns, ", \"{own}\"");
                let _ = write!(values, ", {value}");
            }
            let _ = write!(
                sql,
                "INSERT INTO {name} (id, \"userId\"{columns}) VALUES ('{name}{n}', 'u{}'{values});",
                n % 2
            );
        }
    }
    for (name, _) in model.iter().filter(|(_, entity)| entity.metadata) {
        let _ = write!(
            sql,
            "INSERT INTO {name}_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") SELECT \"userId\", id, 'k', id FROM {name};"
        );
    }
    // Relations point at a row of the same owner.
    for (name, entity) in model {
        for (own, field) in entity.fields.iter().filter(|(_, field)| field.ty == "relation") {
            let target = &field.target;
            let _ =
                write!(sql, "UPDATE {name} SET \"{own}\" = '{target}' || (substr(id, {}));", name.len() + 1);
        }
    }
    sql
}

/// The values of columns, by table and column: `id=value` in order.
async fn values(database: &TestDatabase, columns: &[(String, String)]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (table, column) in columns {
        let id = if table.ends_with("_metas") { "\"entityId\"" } else { "id" };
        let sql =
            format!("SELECT {id} || '=' || coalesce(\"{column}\"::text, 'NULL') FROM {table} ORDER BY {id}");
        all.push(database.column(&sql).await);
    }
    all
}

/// The columns of `model` as they are called in `after`, where they are of the same type in both: before, after.
fn surviving(model: &Model, after: &Model) -> (Vec<Place>, Vec<Place>) {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (name, entity) in after {
        let table = entity.renamed_from.as_ref().unwrap_or(name);
        let Some(before) = model.get(table) else { continue };
        old.push((table.clone(), "userId".to_owned()));
        new.push((name.clone(), "userId".to_owned()));
        if before.metadata && entity.metadata {
            old.push((format!("{table}_metas"), "metaValue".to_owned()));
            new.push((format!("{name}_metas"), "metaValue".to_owned()));
        }
        for (column, field) in entity.fields.iter().filter(|(_, field)| field.ty != "relation_many") {
            let own = field.renamed_from.as_ref().unwrap_or(column);
            let numeric = |field: &Field| field.ty == "number" && field.limit == 2;
            let same = |known: &&Field| known.ty == field.ty && numeric(known) == numeric(field);
            if before.fields.get(own).filter(same).is_some() {
                old.push((table.clone(), own.clone()));
                new.push((name.clone(), column.clone()));
            }
        }
    }
    (old, new)
}

async fn look(database: &TestDatabase) -> Look {
    migrate::look(&database.owner).await.expect("a look")
}

fn said(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| format!("{} {}", change.object, change.action)).collect()
}

async fn from_one_to_another(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..20 {
        dice.roll(2);
    }
    let before = model(&mut dice);
    let mut after = if dice.chance(75) { mutated(&mut dice, &before) } else { model(&mut dice) };
    keep_what_no_value_fits(&before, &mut after);
    let after_has_rows = Some(&before);
    let roles = Roles::default();
    let database = TestDatabase::with(&Schema::default()).await;
    let (a, b) = (parsed(&before, None), parsed(&after, after_has_rows));
    migrate::draft(&database.owner, &roles, &a, DataLoss::Refuse, |_| {})
        .await
        .unwrap_or_else(|error| panic!("seed {seed}: {before:#?}: {error:?}"));
    let start = look(&database).await;
    let plan = start.plan(&a, &roles, Pace::Online);
    assert!(plan.is_empty(), "seed {seed}: the plan of an applied schema: {:#?}", said(&plan));
    assert_eq!(migrations::check(&start, &a, &roles), [], "seed {seed}");
    database.sql(&rows(&before)).await;
    let (old_columns, new_columns) = surviving(&before, &after);
    let known = values(&database, &old_columns).await;

    let plan = start.plan(&b, &roles, Pace::Online);
    let (text, down) = start.files(&b, &roles, "a test");
    let lossy =
        plan.losses().iter().any(|loss| !matches!(loss, Loss::Values(..))) || !plan.losses().is_empty();
    let file = MigrationFile { name: "0001_change".to_owned(), text: text.clone(), down: Some(down.clone()) };
    let context = || format!("seed {seed}\n{text}\n---- down\n{down}");
    if seed % 4 == 3 {
        let drafted = migrate::draft(&database.owner, &roles, &b, DataLoss::Allow, |_| {}).await;
        drafted.unwrap_or_else(|error| panic!("{}: {error:?}", context()));
    } else {
        let applied =
            migrate::apply(&database.owner, &roles, std::slice::from_ref(&file), DataLoss::Allow, |_| {})
                .await;
        applied.unwrap_or_else(|error| panic!("{}: {error:?}", context()));
    }
    let end = look(&database).await;
    let left = end.plan(&b, &roles, Pace::Online);
    assert!(left.is_empty(), "{}: left over: {:#?}", context(), said(&left));
    assert_eq!(migrations::check(&end, &b, &roles), [], "{}", context());
    assert_eq!(crate::metas_objects::wrong(&database).await, Vec::<String>::new(), "{}", context());
    assert_eq!(values(&database, &new_columns).await, known, "{}", context());

    if seed % 4 != 3 {
        if lossy {
            // What was lost cannot come back: a column that must have values has none. The schema can.
            database.sql("TRUNCATE \"user\" CASCADE").await;
        }
        let undone = migrate::rollback(&database.owner, &roles, &[file], 1, DataLoss::Allow, |_| {}).await;
        undone.unwrap_or_else(|error| panic!("{}: {error:?}", context()));
        let back = look(&database).await;
        let differs = hedgerow::schema::drift::differences(&back.catalog, &start.catalog);
        assert_eq!(differs, [], "{}", context());
        assert_eq!(crate::metas_objects::wrong(&database).await, Vec::<String>::new(), "{}", context());
        if !lossy {
            assert_eq!(values(&database, &old_columns).await, known, "{}", context());
        }
    }
}

#[tokio::test]
async fn any_schema_becomes_any_other_and_back() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("HEDGEROW_SEED") {
        return from_one_to_another(seed).await;
    }
    let first = number("HEDGEROW_FROM").unwrap_or(1);
    for seed in first..first + number("HEDGEROW_PAIRS").unwrap_or(20) {
        from_one_to_another(seed).await;
    }
}

#[tokio::test]
async fn metadata_follows_its_entity_and_is_lost_by_word_alone() {
    let database = TestDatabase::with(&Schema::default()).await;
    let draft = async |name: &str, text: &str, loss| {
        let schema = schema_of(&[(name, &format!("{text}\nfields.text = {{ type = \"text\" }}"))]);
        migrate::draft(&database.owner, &Roles::default(), &schema, loss, |_| {}).await
    };
    draft("tasks", "metadata = true", DataLoss::Refuse).await.expect("made");
    let rows = "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'a', 'a@x'); INSERT INTO tasks (id, \"userId\") VALUES ('t', 'ann');
        INSERT INTO tasks_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('ann', 't', 'k', 'v')";
    database.sql(rows).await;
    draft("jobs", "metadata = true\nrenamed_from = \"tasks\"", DataLoss::Refuse).await.expect("renamed");
    let metas = "SELECT \"entityId\" || \"metaKey\" || \"metaValue\" FROM jobs_metas";
    assert_eq!(database.column(metas).await, ["tkv"]);
    // Others begin to read, and cease to: what is kept for them comes and is hidden, and is right when it is shown again.
    let object = "SELECT \"entityId\" || object FROM jobs_metas_objects WHERE \"isPublic\"";
    for (read, value) in [("owner", "one"), ("public", "two"), ("owner", "three"), ("signed_in", "four")] {
        let text = format!("metadata = true\naccess = {{ read = \"{read}\" }}");
        draft("jobs", &text, DataLoss::Refuse).await.expect(read);
        database.sql(&format!("UPDATE jobs_metas SET \"metaValue\" = '{value}', \"isPublic\" = true")).await;
        assert_eq!(crate::metas_objects::wrong(&database).await, Vec::<String>::new(), "{read}");
    }
    assert_eq!(database.column(object).await, [r#"t{"k":"four"}"#]);
    database.sql("UPDATE jobs_metas SET \"metaValue\" = 'v'").await;
    // In the same step as another rename, too.
    let refused = draft("works", "renamed_from = \"jobs\"", DataLoss::Refuse).await.expect_err("a loss");
    assert!(refused.to_string().contains("table jobs_metas (1 row)"), "{refused}");
    assert_eq!(database.column(metas).await, ["tkv"]);
    draft("jobs", "", DataLoss::Allow).await.expect("dropped");
    draft("jobs", "metadata = true", DataLoss::Refuse).await.expect("made again");
    assert_eq!(database.column(metas).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_another_administrator_wrote_of_a_row_goes_to_its_owner() {
    let database = TestDatabase::with(&Schema::default()).await;
    let draft = async |access: &str| {
        let text = format!(
            "metadata = true\naccess = {{ {access} }}\nfields.text = {{ type = \"text\" }}\nfields.to = {{ type = \"relation_many\", entity = \"pages\" }}"
        );
        let schema = schema_of(&[("pages", &text)]);
        migrate::draft(&database.owner, &Roles::default(), &schema, DataLoss::Refuse, |_| {})
            .await
            .expect(access)
    };
    draft("read = \"public\", write = \"admin\"").await;
    let rows = "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'a', 'a@x'), ('bob', 'b', 'b@x');
        INSERT INTO pages (id, \"userId\") VALUES ('p', 'ann');
        INSERT INTO pages_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('ann', 'p', 'k', 'v'), ('bob', 'p', 'l', 'w');
        INSERT INTO pages_to (\"userId\", \"sourceId\", \"targetId\") VALUES ('bob', 'p', 'p')";
    database.sql(rows).await;
    draft("read = \"public\"").await;
    let owners = "SELECT \"userId\" || \"metaKey\" FROM pages_metas UNION ALL SELECT \"userId\" || \"targetId\" FROM pages_to ORDER BY 1";
    assert_eq!(database.column(owners).await, ["annk", "annl", "annp"]);
    assert_eq!(crate::metas_objects::wrong(&database).await, Vec::<String>::new());
    // A trigger that was asleep has missed something, and makes it good when it is put right.
    let asleep =
        "ALTER TABLE pages_metas DISABLE TRIGGER USER; UPDATE pages_metas SET \"metaValue\" = 'other'";
    database.sql(asleep).await;
    assert_ne!(crate::metas_objects::wrong(&database).await, Vec::<String>::new());
    draft("read = \"public\"").await;
    assert_eq!(crate::metas_objects::wrong(&database).await, Vec::<String>::new());
    // So do the statements of the guide, where SQL ran without triggers.
    let without = "SET session_replication_role = replica; UPDATE pages_metas SET \"isPublic\" = true; DELETE FROM pages_metas WHERE \"metaKey\" = 'l'; RESET session_replication_role";
    database.sql(without).await;
    assert_ne!(crate::metas_objects::wrong(&database).await, Vec::<String>::new());
    let anew =
        "BEGIN; DELETE FROM pages_metas_objects; UPDATE pages_metas SET \"isPublic\" = \"isPublic\"; COMMIT";
    database.sql(anew).await;
    assert_eq!(crate::metas_objects::wrong(&database).await, Vec::<String>::new());
}
