//! What only the rows can tell: questions of one number each, and what the answer means.

use super::{Adoption, Goal};
use crate::catalog::{Catalog, Rule, Table};
use crate::ddl;
use crate::diff::quote;

/// A question to the database, before it is adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A query of one row and one column, a number; 0 is good.
    pub sql: String,
    /// What any other number means.
    pub about: About,
    /// The words behind the number, such as `rows of tasks have no owner`.
    pub says: String,
    /// What to do.
    pub remedy: Vec<String>,
}

/// What it means that a question is not answered with 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The migration would stop there.
    Obstacle,
    /// Something to be done by hand, sooner or later.
    ByHand,
    /// The column cannot be a field: table, column.
    Column(String, String),
}

impl Adoption {
    /// What to ask before the files are written. `catalog` is the database as it is.
    pub fn questions(&self, catalog: &Catalog, goal: &Goal) -> Vec<Question> {
        let mut questions = Vec::new();
        if !catalog.tables.contains_key("user") {
            questions.extend(self.users());
        }
        for (name, adopted) in &self.entities {
            self.owners(catalog, name, &adopted.owner, &mut questions);
            self.relations(name, &adopted.owner, &mut questions);
        }
        for (table, column, condition) in goal.new_checks(self) {
            questions.push(Question {
                sql: format!("SELECT count(*) FROM public.{} WHERE NOT ({condition})", quote(&table)),
                says: format!("rows have a value that the field would not take ({condition})"),
                about: About::Column(table, column),
                remedy: Vec::new(),
            });
        }
        for table in ddl::SIGN_IN_TABLES {
            let has_owner = |known: &Table| known.columns.contains_key("userId");
            if catalog.tables.get(*table).is_some_and(has_owner) {
                self.owners(catalog, table, "userId", &mut questions);
            }
        }
        own_tables(catalog, &mut questions);
        questions
    }

    /// Where nobody made a table of users, the owners of rows are in none.
    fn users(&self) -> Option<Question> {
        let owners = self.entities.iter().map(|(name, adopted)| {
            let column = quote(&adopted.owner);
            format!("SELECT {column} AS id FROM public.{} WHERE {column} IS NOT NULL", quote(name))
        });
        let owners = owners.collect::<Vec<_>>().join(" UNION ");
        (!owners.is_empty()).then(|| Question {
            sql: format!("SELECT count(*) FROM ({owners}) owners"),
            about: About::Obstacle,
            says: "users own rows, and there is no table \"user\" that has them".to_owned(),
            remedy: vec![
                "CREATE TABLE public.\"user\" (id text PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE)"
                    .to_owned(),
                format!(
                    "INSERT INTO public.\"user\" (id, name, email) SELECT id, id, id || '@example.com' FROM ({owners}) owners"
                ),
            ],
        })
    }

    fn owners(&self, catalog: &Catalog, name: &str, owner: &str, questions: &mut Vec<Question>) {
        let (table, column) = (quote(name), quote(owner));
        let known = &catalog.tables[name];
        if !known.columns[owner].not_null {
            questions.push(Question {
                sql: format!("SELECT count(*) FROM public.{table} WHERE {column} IS NULL"),
                about: About::Obstacle,
                says: format!("rows of {name} have no owner ({owner} is NULL)"),
                remedy: vec![format!("UPDATE public.{table} SET {column} = '…' WHERE {column} IS NULL")],
            });
        }
        let is_checked = known.constraints.values().any(|constraint| {
            constraint.validated
                && matches!(&constraint.rule, Rule::References { columns, table, .. } if columns == &[owner] && table == "user")
        });
        if catalog.tables.contains_key("user") && !is_checked {
            questions.push(Question {
                sql: format!(
                    "SELECT count(*) FROM public.{table} t WHERE t.{column} IS NOT NULL \
                     AND NOT EXISTS (SELECT FROM public.\"user\" u WHERE u.id = t.{column})"
                ),
                about: About::Obstacle,
                says: format!("rows of {name} have an owner that is no user"),
                remedy: vec![format!(
                    "SELECT DISTINCT {column} FROM public.{table} t WHERE NOT EXISTS \
                     (SELECT FROM public.\"user\" u WHERE u.id = t.{column})"
                )],
            });
        }
    }

    /// A relation stays within its owner.
    fn relations(&self, name: &str, owner: &str, questions: &mut Vec<Question>) {
        let Some(entity) = self.schema.entity(name) else { return };
        for (field, relation) in entity.relations() {
            let target = relation.entity.as_str();
            let Some(parent) = self.entities.get(target) else { continue };
            let field = field.name.quoted();
            let join = format!(
                "FROM public.{} t JOIN public.{} p ON p.id = t.{field} WHERE p.{} IS DISTINCT FROM t.{}",
                quote(name),
                quote(target),
                quote(&parent.owner),
                quote(owner)
            );
            questions.push(Question {
                sql: format!("SELECT count(*) {join}"),
                about: About::Obstacle,
                says: format!(
                    "rows of {name} point with {field} at a row of {target} that belongs to another user"
                ),
                remedy: vec![format!("SELECT t.id, t.{field} {join}")],
            });
        }
    }
}

fn own_tables(catalog: &Catalog, questions: &mut Vec<Question>) {
    let is_complete = |account: &&Table| {
        ["id", "providerId", "accountId"].iter().all(|column| account.columns.contains_key(*column))
    };
    if catalog.tables.get("account").filter(is_complete).is_some() {
        let twins = "FROM public.account GROUP BY \"providerId\", \"accountId\" HAVING count(*) > 1";
        questions.push(Question {
            sql: format!("SELECT count(*) FROM (SELECT {twins}) twins"),
            about: About::Obstacle,
            says: "identities (providerId, accountId) stand in account more than once, and one belongs to one user"
                .to_owned(),
            remedy: vec![
                format!("SELECT \"providerId\", \"accountId\", array_agg(id) AS ids, array_agg(\"userId\") AS users {twins}"),
                "-- DELETE FROM public.account WHERE id = '…' for all but one of each".to_owned(),
            ],
        });
    }
    if catalog.tables.get("api_keys").is_some_and(|table| table.columns.contains_key("key")) {
        questions.push(Question {
            sql: "SELECT count(*) FROM public.api_keys WHERE key !~ '^[0-9a-f]{64}$'".to_owned(),
            about: About::ByHand,
            says: "keys in api_keys are no SHA-256: they must be hashed by hand, and are no keys until then".to_owned(),
            remedy: vec![
                "UPDATE public.api_keys SET key = encode(sha256(convert_to(key, 'UTF8')), 'hex') WHERE key !~ '^[0-9a-f]{64}$'"
                    .to_owned(),
                "-- keys of another form than hrk_… are not accepted even then: make new ones with `hedgerow key create`".to_owned(),
            ],
        });
    }
    for (name, keys) in [("user_metas", &["userId", "metaKey"][..]), ("global_metas", &["metaKey"])] {
        let Some(table) = catalog.tables.get(name) else { continue };
        if keys.iter().all(|key| table.columns.contains_key(*key)) {
            let keys: Vec<String> = keys.iter().map(|key| quote(key)).collect();
            let keys = keys.join(", ");
            let twins = format!("FROM public.{name} GROUP BY {keys} HAVING count(*) > 1");
            questions.push(Question {
                sql: format!("SELECT count(*) FROM (SELECT {twins}) twins"),
                about: About::Obstacle,
                says: format!("keys ({keys}) stand in {name} more than once, and a key has one value"),
                remedy: vec![
                    format!("SELECT {keys}, count(*) {twins}"),
                    format!("-- DELETE FROM public.{name} for all but one of each"),
                ],
            });
        }
    }
    let Some(user) = catalog.tables.get("user") else { return };
    if user.columns.contains_key("id") {
        questions.push(Question {
            sql: "SELECT count(*) FROM public.\"user\" WHERE id !~ '^[A-Za-z0-9_-]{1,64}$'".to_owned(),
            about: About::ByHand,
            says:
                "users have an id that is not 1 to 64 letters, digits, `_` and `-`: they cannot use the API"
                    .to_owned(),
            remedy: Vec::new(),
        });
    }
}

impl Goal {
    /// The checks of fields that the database does not have yet: table, column, condition.
    fn new_checks(&self, adoption: &Adoption) -> Vec<(String, String, String)> {
        let mut found = Vec::new();
        for entity in adoption.schema.entities() {
            for field in entity.columns() {
                for (name, condition) in crate::rules::checks(entity, field) {
                    let object = format!("constraint {:?} of {}", name.as_str(), entity.name);
                    if self
                        .plan
                        .changes
                        .iter()
                        .any(|change| change.object == object && change.action.starts_with("is added"))
                    {
                        found.push((
                            entity.name.to_string(),
                            field.name.to_string(),
                            condition.text().to_owned(),
                        ));
                    }
                }
            }
        }
        found
    }
}
