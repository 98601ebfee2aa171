//! The PostgreSQL wire: identity-scoped flights and transactions, migrations, and the private server.
//!
//! Nothing reaches a table without an [`Identity`]: a [`Database`] gives out [`Flight`]s and [`Transaction`]s for one,
//! and no connection. What belongs to users, keys or HTTP is above this crate.

mod database;
mod error;
mod flight;
mod guard;
mod identity;
pub mod introspect;
mod json;
pub mod migrate;
mod owner;
mod page;
mod parts;
mod pool;
pub mod private_server;
mod row;
mod row_format;
pub mod server_version;
pub mod setup;
mod stream;
mod transaction;
mod url;
mod wire;

pub use database::{Database, Logins};
pub use error::{Error, Meaning, ServerError};
pub use flight::{Ending, Flight};
pub use guard::Guard;
pub use identity::{Identity, UserId, UserIdError};
pub use json::{JsonRows, Nulls};
pub use page::{Met, PageRows, Place};
pub use parts::Surrounded;
pub use pool::{LongWork, PoolSettings, StatementMode, Work, WorkTimeouts};
pub use postgres_types::{FromSql, ToSql, Type};
pub use row::{ColumnIndex, Row};
pub use row_format::{Formulas, PageFormat, RowFormat};
pub use secrecy::{ExposeSecret, SecretString};
pub use stream::{RowStream, StreamLimits};
pub use transaction::{Transaction, TrashTransaction};
pub use url::{DatabaseUrl, SyntaxError, UrlError};
