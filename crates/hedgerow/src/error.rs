//! What can go wrong in an operation, as meanings. What a caller may read ([`Error::public_message`], [`Error::inputs`])
//! and what an operator reads (the chain of sources) are two things.

use hedgerow_database::{Error as DatabaseError, Meaning, ServerError};
use hedgerow_schema::write::METAS;
use hedgerow_schema::{Entity, InputError, ddl};

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody is signed in, and this is not for everyone.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// A credential was presented and is not valid.
    #[error("the credential is not valid")]
    InvalidCredential,
    /// The API key may not be used from this address.
    #[error("the API key may not be used from this address")]
    AddressNotAllowed,
    /// An API key asks for what only a person who signed in does.
    #[error("an API key cannot do this")]
    SessionRequired,
    /// The credential was changed while the request was under way, and nothing was done.
    #[error("the credential was changed while the request was under way")]
    CredentialChanged,
    /// The credential does not allow this.
    #[error("the credential lacks the scope {scope}")]
    MissingScope {
        /// The scope that would.
        scope: String,
    },
    /// Only administrators write these rows.
    #[error("only administrators write {entity}")]
    AdminOnly {
        /// The entity.
        entity: String,
    },
    /// The row can be read but belongs to somebody else.
    #[error("the row belongs to somebody else")]
    NotOwner,
    /// There is no such row, or it is another tenant's: nobody can tell the difference.
    #[error("there is no such row")]
    NotFound,
    /// There is no such key of metadata, or none that the caller may read, or no such row.
    #[error("there is no key {key:?} of metadata")]
    NoSuchMeta {
        /// As asked.
        key: String,
    },
    /// There is no such entity.
    #[error("there is no entity {name:?}")]
    UnknownEntity {
        /// As asked.
        name: String,
    },
    /// The entity's rows have no metadata.
    #[error("rows of {entity} have no metadata")]
    NoMetadata {
        /// The entity.
        entity: String,
    },
    /// The row is there, and not in the version that the caller means.
    #[error("it has changed")]
    Changed,
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The request that has the idempotency key is still under way.
    #[error("a request with the same idempotency key is still under way")]
    KeyInUse,
    /// What was sent is wrong.
    #[error("the input has {} mistakes", .0.len())]
    Input(Vec<InputError>),
    /// What was sent collides with what is there.
    #[error("the input collides with what is there")]
    Conflict(InputError),
    /// The database refuses what the program was sure it may do.
    #[error("the database does not allow it")]
    NotAllowed(#[source] DatabaseError),
    /// The statement took too long.
    #[error("the database took too long")]
    TooSlow(#[source] DatabaseError),
    /// The database is not there or full; the same again may succeed.
    #[error("the database is not available")]
    Unavailable(#[source] DatabaseError),
    /// A defect.
    #[error("cannot {doing}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A mistake in one field of the input.
    pub fn input(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Input(vec![InputError { field: field.to_owned(), code, message: message.into() }])
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSignedIn => "not_signed_in",
            Self::InvalidCredential => "invalid_credential",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::SessionRequired => "session_required",
            Self::CredentialChanged => "credential_changed",
            Self::MissingScope { .. } => "missing_scope",
            Self::AdminOnly { .. } => "admin_only",
            Self::NotOwner => "not_owner",
            Self::NotFound | Self::NoSuchMeta { .. } => "not_found",
            Self::UnknownEntity { .. } => "unknown_entity",
            Self::NoMetadata { .. } => "no_metadata",
            Self::Changed => "precondition_failed",
            Self::KeyReused => "idempotency_key_reused",
            Self::KeyInUse => "idempotency_key_in_use",
            Self::Input(inputs) => match inputs.as_slice() {
                [one] => one.code,
                _ => "invalid_input",
            },
            Self::Conflict(input) => input.code,
            Self::NotAllowed(_) => "not_allowed",
            Self::TooSlow(_) => "too_slow",
            Self::Unavailable(_) => "unavailable",
            Self::Internal { .. } => "internal",
        }
    }

    /// What a caller may read.
    pub fn public_message(&self) -> String {
        match self {
            Self::NotSignedIn => "sign in, or send an API key".to_owned(),
            Self::InvalidCredential => "the credential is unknown, revoked or expired".to_owned(),
            Self::AddressNotAllowed => "this API key may not be used from this address".to_owned(),
            Self::SessionRequired => "an API key makes no keys; sign in for this".to_owned(),
            Self::CredentialChanged => {
                "the credential was changed while the request was under way; send it again".to_owned()
            }
            Self::MissingScope { scope } => format!("this needs the scope `{scope}`"),
            Self::AdminOnly { entity } => format!("only administrators write {entity}"),
            Self::NotOwner => "the row belongs to somebody else".to_owned(),
            Self::NotFound => "there is no such row".to_owned(),
            Self::NoSuchMeta { key } => format!("there is no key `{key}` here, or none that you may read"),
            Self::UnknownEntity { name } => format!("there is no entity `{name}`"),
            Self::NoMetadata { entity } => {
                format!(
                    "rows of {entity} have no metadata; `metadata = true` in its entity file gives them some"
                )
            }
            Self::Changed => "this has changed since you read it; read it again".to_owned(),
            Self::KeyReused => "this Idempotency-Key was sent with another request; use a new one".to_owned(),
            Self::KeyInUse => {
                "a request with this Idempotency-Key is still under way; send it again later".to_owned()
            }
            Self::Input(inputs) => match inputs.as_slice() {
                [one] => one.message.clone(),
                many => format!("the request has {} mistakes", many.len()),
            },
            Self::Conflict(input) => input.message.clone(),
            Self::NotAllowed(_) => "this is not allowed".to_owned(),
            Self::TooSlow(_) => "this took too long and was stopped; ask for less".to_owned(),
            Self::Unavailable(error) => match error.server().map(ServerError::meaning) {
                Some(Meaning::Locked | Meaning::Retry) => {
                    "others change the same at this moment, and nothing was done; send it again".to_owned()
                }
                _ => "the database is not available at the moment; try again".to_owned(),
            },
            Self::Internal { .. } => "something went wrong on the server; its log says what".to_owned(),
        }
    }

    /// What a caller can do about it, where the message does not say so already.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotSignedIn => Some(
                "send a key as `Authorization: Bearer hrk_…` or `x-api-key: hrk_…`, or a session's token or cookie from /api/auth",
            ),
            Self::InvalidCredential => {
                Some("GET /api/v1/api-keys lists the keys that hold; make a new one, or sign in again")
            }
            Self::AddressNotAllowed => {
                Some("use it from an address of its `allowedIps`, or make a key for this one")
            }
            Self::SessionRequired => {
                Some("sign in, and send the session's token or cookie instead of the key")
            }
            Self::MissingScope { .. } => Some("use a key that has the scope, or make one"),
            Self::AdminOnly { .. } => Some("sign in as a user whose role is admin"),
            Self::NotOwner => Some("only its owner changes it"),
            Self::NotFound => Some("the id may be wrong, or the row not yours to see"),
            Self::NoSuchMeta { .. } => Some("the path without the key lists what is there"),
            Self::UnknownEntity { .. } => {
                Some("/api/v1/docs lists the entities; their names are in lower case")
            }
            Self::Changed => Some("GET it again, and send the ETag of that answer in If-Match"),
            _ => None,
        }
    }

    /// What is wrong with which field of the input.
    pub fn inputs(&self) -> &[InputError] {
        match self {
            Self::Input(inputs) => inputs,
            Self::Conflict(input) => std::slice::from_ref(input),
            _ => &[],
        }
    }

    /// What a database error means for an operation on `entity`.
    pub(crate) fn from_database(doing: &'static str, entity: &Entity, error: DatabaseError) -> Self {
        let error = match Self::of_metas(error) {
            Ok(told) => return told,
            Err(error) => error,
        };
        let Some(server) = error.server() else { return Self::without_entity(doing, error) };
        // The row of the audit trail goes with a write; it is nothing that a caller could put right.
        if server.table.as_deref().is_some_and(|table| table.starts_with(ddl::audit::TABLE)) {
            return Self::without_entity(doing, error);
        }
        let meaning = server.meaning();
        let field = field_of(entity, server);
        let named = |code, message: &dyn Fn(&str) -> String| {
            let field = field.clone().unwrap_or_default();
            InputError { message: message(&field), field, code }
        };
        match meaning {
            Meaning::Unique => Self::Conflict(named("already_exists", &|field| match field {
                "" => "a row with these values exists already".to_owned(),
                field => format!("a row with this `{field}` exists already"),
            })),
            // The row went while this was under way.
            Meaning::ForeignKey if field.as_deref() == Some(METAS) => Self::NotFound,
            // A constraint of this table: it points at nothing. One of another table: that one points here.
            Meaning::ForeignKey if field.is_some() => Self::Conflict(named("relation_not_found", &|field| {
                format!("`{field}` points at no row that you have")
            })),
            Meaning::ForeignKey => {
                let by = server.table.as_deref().unwrap_or("another entity");
                Self::Conflict(named("still_referenced", &|_| format!("rows of {by} point at this row")))
            }
            Meaning::NotNull => {
                Self::Input(vec![named("required", &|field| format!("`{field}` is required"))])
            }
            Meaning::Check => {
                Self::Input(vec![named("check_failed", &|field| match (field, &server.constraint) {
                    // A rule that somebody wrote beside the entity file.
                    ("", Some(rule)) => format!("the row breaks the rule `{rule}` of its table"),
                    ("", None) => "the row breaks a rule of its table".to_owned(),
                    (field, _) => format!("`{field}` breaks a rule of its field"),
                })])
            }
            // invalid_regular_expression: what is one is PostgreSQL's to say.
            Meaning::InvalidValue if server.code.code() == "2201B" => {
                Self::Input(vec![named("invalid_pattern", &|_| {
                    "the pattern of `match` is no regular expression".to_owned()
                })])
            }
            Meaning::InvalidValue => Self::Input(vec![named("invalid_value", &|_| {
                "a value is out of range or too long to be stored".to_owned()
            })]),
            Meaning::Repeated => Self::Input(vec![named("repeated_row", &|_| {
                "two rows of the request are about the same row".to_owned()
            })]),
            _ => Self::without_entity(doing, error),
        }
    }

    /// Whether the same again may succeed at once, because nothing happened and the reason is gone: two transactions met, or
    /// a table changed under a plan.
    pub fn is_passing(&self) -> bool {
        let database = match self {
            Self::Unavailable(error) => Some(error),
            Self::Internal { source, .. } => source.downcast_ref::<DatabaseError>(),
            _ => None,
        };
        let meaning = database.and_then(DatabaseError::server).map(ServerError::meaning);
        matches!(meaning, Some(Meaning::Retry | Meaning::StalePlan))
    }

    /// What a database error means where no entity is concerned.
    pub(crate) fn without_entity(doing: &'static str, error: DatabaseError) -> Self {
        if error.is_unavailable() {
            return Self::Unavailable(error);
        }
        match error {
            DatabaseError::Deadline(_) => return Self::TooSlow(error),
            DatabaseError::Unproven => return Self::CredentialChanged,
            _ => {}
        }
        match error.server().map(ServerError::meaning) {
            Some(Meaning::NotAllowed) => Self::NotAllowed(error),
            Some(Meaning::Cancelled) => Self::TooSlow(error),
            Some(Meaning::Locked | Meaning::Retry) => Self::Unavailable(error),
            _ => Self::Internal { doing, source: Box::new(error) },
        }
    }
}

/// The field that a constraint or column of the server's error belongs to.
fn field_of(entity: &Entity, server: &ServerError) -> Option<String> {
    let table = server.table.as_deref()?;
    if table != entity.name.as_str() {
        // The links of a field are a table of their own.
        let mut links = entity.links().map(|(field, _)| field);
        let own = links.find(|field| ddl::link_table(entity, field).as_str() == table);
        let own = own.map(|field| field.name.to_string());
        let is_metas = entity.metadata.is_some() && ddl::metas_table(entity).as_str() == table;
        return own.or_else(|| is_metas.then(|| METAS.to_owned()));
    }
    if let Some(column) = &server.column {
        return Some(column.clone());
    }
    let constraint = server.constraint.as_deref()?;
    ddl::field_of(entity, constraint).map(|field| field.name.to_string())
}
