//! A database that others made, before it is adopted: what stands in it as statements, and how many rows would not fit.
//!
//! Always holds: it is only read.

use crate::error::Error;
use crate::owner::{Owner, from_driver};
use crate::url::DatabaseUrl;

use super::{MigrateError, failed};

/// Statements that make what stands in schema `public`, in order; not the rights and comments, and not the tables and
/// functions named `except`.
///
/// # Errors
/// [`MigrateError::Database`]
pub async fn found(url: &DatabaseUrl, except: &[&str]) -> Result<Vec<String>, MigrateError> {
    let owner = Owner::connect(url).await.map_err(failed("connect as the owner"))?;
    let rows = owner.client.query(include_str!("found.sql"), &[&except]).await;
    owner.close().await;
    let rows = rows
        .map_err(|source| failed("describe what is there")(from_driver("describe what is there", source)))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The answers to questions of one number each; `None` where row-level security would make it a lie.
///
/// # Errors
/// [`MigrateError::Database`]
pub async fn survey(url: &DatabaseUrl, questions: &[String]) -> Result<Vec<Option<i64>>, MigrateError> {
    let owner = Owner::connect(url).await.map_err(failed("connect as the owner"))?;
    let outcome = ask(&owner, questions).await;
    owner.close().await;
    outcome.map_err(failed("count rows"))
}

async fn ask(owner: &Owner, questions: &[String]) -> Result<Vec<Option<i64>>, Error> {
    // A statement that would be filtered fails.
    owner.run("SET default_transaction_read_only = on; SET row_security = off").await?;
    let mut answers = Vec::new();
    for question in questions {
        answers.push(match owner.client.query_one(question, &[]).await {
            Ok(row) => Some(row.get(0)),
            Err(error) if error.code().is_some_and(|code| code.code() == "42501") => None,
            Err(error) => return Err(from_driver(&format!("ask `{question}`"), error)),
        });
    }
    Ok(answers)
}
