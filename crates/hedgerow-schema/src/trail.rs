//! The audit trail as a schema of one entity that is only read, and the statement that records a write in the write's own transaction.

use crate::{
    Access, Bind, Entity, Field, FieldKind, Identifier, Label, Read, Schema, Sql, SqlType, StoredType,
    TextRules, Write,
};

pub use crate::ddl::audit::TABLE as NAME;

/// The trail, to be filtered, ordered and paged as entities are: one's own rows, or for administrators
/// ([`Read::SignedIn`]) those of all.
///
/// ```
/// use hedgerow_schema::{Limits, ListQuery, Read, trail};
/// let schema = trail::schema(Read::Owner);
/// let own = schema.entity(trail::NAME).unwrap();
/// let refused = ListQuery::parse(&schema, own, &[("statusCode", "gte.400")], Limits::default());
/// assert!(refused.is_ok());
/// assert!(ListQuery::parse(&schema, own, &[("updatedAt", "gte.2026-01-01")], Limits::default()).is_err());
/// ```
pub fn schema(read: Read) -> Schema {
    Schema::from_checked(vec![entity(read)])
}

fn entity(read: Read) -> Entity {
    let name = |text: &str| Identifier::joined(&[text]);
    let text = |own: &str| Field::new(name(own), FieldKind::Text(TextRules::default()));
    let number = |own: &str| Field {
        sql_type: Some(StoredType::Integer),
        ..Field::new(name(own), FieldKind::Integer { min: None, max: None })
    };
    let fields = vec![
        text("apiKeyId"),
        text("endpoint"),
        text("method"),
        number("statusCode"),
        number("responseTime"),
        text("ipAddress"),
        text("userAgent"),
    ];
    Entity {
        name: name(NAME),
        label: Label { singular: "request".to_owned(), plural: "requests".to_owned() },
        access: Access { read, write: Write::Admin, published_when: None },
        fields: fields.into_iter().map(|field| Field { read_only: true, ..field }).collect(),
        indexes: Vec::new(),
        soft_delete: false,
        metadata: None,
        renamed_from: None,
    }
}

/// One request, as its row says it. Whose it is, the transaction says.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The row's id.
    pub id: &'a str,
    /// When it came: RFC 3339.
    pub at: &'a str,
    /// The API key's id.
    pub key: Option<&'a str>,
    /// The route's template.
    pub endpoint: &'a str,
    /// The method.
    pub method: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// Milliseconds until now.
    pub took: u32,
    /// Where it came from.
    pub address: Option<&'a str>,
    /// The program that sent it.
    pub agent: Option<&'a str>,
    /// A keyed pseudonym of the user.
    pub user_mark: Option<&'a str>,
    /// A keyed pseudonym of the key.
    pub key_mark: Option<&'a str>,
}

/// Records the request, if its transaction has written anything; it then has one row.
pub fn record(request: &Request<'_>) -> Sql {
    let text = |value: Option<&str>| Bind::new(SqlType::Text, value.map(str::to_owned));
    let number = |value: u32| Bind::new(SqlType::Int8, Some(value.to_string()));
    let mut sql = Sql::new("SELECT hedgerow.write_audit(");
    sql.bind(text(Some(request.id))).push(", ");
    sql.bind(Bind::new(SqlType::Timestamptz, Some(request.at.to_owned())));
    for value in [request.key, Some(request.endpoint), Some(request.method)] {
        sql.push(", ").bind(text(value));
    }
    for value in [u32::from(request.status), request.took] {
        sql.push(", ").bind(number(value)).push("::integer");
    }
    for value in [request.address, request.agent, request.user_mark, request.key_mark] {
        sql.push(", ").bind(text(value));
    }
    sql.push(") WHERE pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL");
    sql
}
