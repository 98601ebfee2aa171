//! What an API key may do: `tasks:read`, `tasks:*`, `*`.

use std::fmt;
use std::str::FromStr;

use crate::Schema;

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reading.
    Read,
    /// Creating and changing.
    Write,
    /// Deleting.
    Delete,
}

impl Action {
    /// The word of the scope.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// One permission of an API key.
///
/// ```
/// use hedgerow_schema::{Action, Scope};
/// let scope: Scope = "tasks:read".parse().unwrap();
/// assert!(scope.allows("tasks", Action::Read));
/// assert!(!scope.allows("tasks", Action::Delete));
/// assert!("tasks".parse::<Scope>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `None` is every resource.
    resource: Option<String>,
    /// `None` is every action.
    action: Option<Action>,
}

/// Why a text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not of the form.
    #[error("{0:?} is no scope: it is `*` or `<entity>:read`, `:write`, `:delete` or `:*`")]
    Form(String),
    /// There is no such resource.
    #[error("{scope:?} names no entity of this application: there are {known}")]
    Unknown {
        /// The scope as written.
        scope: String,
        /// What there is.
        known: String,
    },
}

/// Resources besides entities, with the actions they have.
const BUILT_IN: &[(&str, &[Option<Action>])] = &[
    ("keys", &[None, Some(Action::Read), Some(Action::Write), Some(Action::Delete)]),
    ("metas", &[None, Some(Action::Read), Some(Action::Write), Some(Action::Delete)]),
    ("audit", &[Some(Action::Read)]),
];

impl Scope {
    /// Everything.
    pub const ALL: Self = Self { resource: None, action: None };

    /// Whether this permission covers `action` on `resource`.
    pub fn allows(&self, resource: &str, action: Action) -> bool {
        self.resource.as_deref().is_none_or(|own| own == resource)
            && self.action.is_none_or(|own| own == action)
    }

    /// Checks that the scope names something this application has.
    ///
    /// # Errors
    /// [`ScopeError::Unknown`]
    pub fn check(&self, schema: &Schema) -> Result<(), ScopeError> {
        let Some(resource) = &self.resource else { return Ok(()) };
        let built_in = BUILT_IN.iter().find(|(name, _)| name == resource);
        let known = match built_in {
            Some((_, actions)) => actions.contains(&self.action),
            None => schema.entity(resource).is_some(),
        };
        if known {
            return Ok(());
        }
        let names: Vec<_> = schema.entities().iter().map(|entity| entity.name.as_str()).collect();
        Err(ScopeError::Unknown { scope: self.to_string(), known: names.join(", ") })
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let form = || ScopeError::Form(text.to_owned());
        if text == "*" {
            return Ok(Self::ALL);
        }
        let (resource, action) = text.split_once(':').ok_or_else(form)?;
        let name_like = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if resource.is_empty() || !resource.chars().all(name_like) {
            return Err(form());
        }
        let action = match action {
            "*" => None,
            "read" => Some(Action::Read),
            "write" => Some(Action::Write),
            "delete" => Some(Action::Delete),
            _ => return Err(form()),
        };
        Ok(Self { resource: Some(resource.to_owned()), action })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.resource, self.action) {
            (None, _) => f.write_str("*"),
            (Some(resource), None) => write!(f, "{resource}:*"),
            (Some(resource), Some(action)) => write!(f, "{resource}:{}", action.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_allow_what_they_say() {
        let check = |scope: &str, resource: &str, action: Action, expected: bool| {
            let scope: Scope = scope.parse().unwrap();
            assert_eq!(scope.allows(resource, action), expected, "{scope} on {resource}:{}", action.name());
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        };
        check("*", "tasks", Action::Delete, true);
        check("tasks:*", "tasks", Action::Delete, true);
        check("tasks:*", "projects", Action::Read, false);
        check("tasks:write", "tasks", Action::Write, true);
        check("tasks:write", "tasks", Action::Read, false);
        check("tasks:write", "tasks", Action::Delete, false);
        for bad in [
            "",
            ":",
            "tasks",
            "tasks:",
            ":read",
            "tasks:READ",
            "*:read",
            "tasks:read:x",
            "TASKS:read",
            "a b:read",
        ] {
            assert!(bad.parse::<Scope>().is_err(), "{bad:?}");
        }
    }
}
