//! SQL expressions as trees: those that Hedgerow writes, those that a person writes into an entity file, and those that
//! PostgreSQL shows of what it stores.
//!
//! Always holds: two expressions are equal when they say the same. What PostgreSQL adds when it shows one (casts of
//! literals, names of columns, parentheses, `= ANY (ARRAY[…])` for IN) makes no difference; everything else does,
//! precedence included. An expression beyond this grammar is compared as its words.

mod parser;
mod scan;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::scan::tokens;

pub(crate) use self::parser::parse;

/// An expression: its text, and what it says.
#[derive(Clone)]
pub struct Expression {
    text: String,
    meaning: Node,
}

/// What an expression says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A column, or something in another schema: its parts.
    Name(Vec<String>),
    /// A literal, in a form that is one for one value.
    Literal(String),
    /// A number, the same.
    Number(String),
    Null,
    Boolean(bool),
    Call(String, Vec<Node>),
    Operator(String, Vec<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// `IS …`, in capitals without NOT.
    Is(Box<Node>, String),
    /// Equal to one of several.
    In(Box<Node>, Vec<Node>),
    /// An operator against any or all of an array.
    Quantified(String, &'static str, Box<Node>, Box<Node>),
    Array(Vec<Node>),
    Cast(Box<Node>, String),
    /// `(SELECT …)` without FROM.
    Select(Box<Node>),
    /// Beyond this grammar.
    Words(Vec<String>),
}

impl Expression {
    /// Reads any SQL expression; one beyond the grammar is kept as its words.
    pub fn read(text: impl Into<String>) -> Self {
        let text = text.into();
        let words = |_| match tokens(&text) {
            Ok(tokens) => Node::Words(tokens.iter().map(|token| format!("{:?}", token.kind)).collect()),
            Err(_) => Node::Words(vec![text.clone()]),
        };
        let meaning = parse(&text).unwrap_or_else(words);
        Self { text, meaning }
    }

    /// What it says.
    pub(crate) fn meaning(&self) -> &Node {
        &self.meaning
    }

    /// The texts of which the column must be one, where the expression says that and nothing else.
    pub(crate) fn options_of(&self, column: &str) -> Option<Vec<String>> {
        let (subject, items) = match &self.meaning {
            Node::In(subject, items) => (&**subject, items.as_slice()),
            Node::Operator(name, sides) if name == "=" => (sides.first()?, sides.get(1..)?),
            _ => return None,
        };
        let is_column = matches!(subject, Node::Name(parts) if parts.len() == 1 && parts[0] == column);
        let text = |node: &Node| if let Node::Literal(text) = node { Some(text.clone()) } else { None };
        if is_column { items.iter().map(text).collect() } else { None }
    }

    /// Whether the column stands in it.
    pub fn names(&self, column: &str) -> bool {
        let mut found =
            matches!(&self.meaning, Node::Words(words) if words.iter().any(|word| word.contains(column)));
        self.meaning.visit(&mut |node| {
            found |= matches!(node, Node::Name(parts) if parts.last().is_some_and(|name| name == column));
        });
        found
    }

    /// The same expression after a column was renamed, as PostgreSQL then shows it.
    #[must_use]
    pub(crate) fn renamed(&self, from: &str, to: &str) -> Self {
        let mut meaning = self.meaning.clone();
        meaning.change(&mut |node| {
            if let Node::Name(parts) = node
                && parts.len() == 1
                && parts[0] == from
            {
                parts[0] = to.to_owned();
            }
        });
        Self { text: self.text.clone(), meaning }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.meaning == other.meaning
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::read)
    }
}

impl Node {
    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Call(_, items)
            | Self::Operator(_, items)
            | Self::And(items)
            | Self::Or(items)
            | Self::Array(items) => items.iter().collect(),
            Self::Not(inner) | Self::Is(inner, _) | Self::Cast(inner, _) | Self::Select(inner) => vec![inner],
            Self::In(inner, items) => std::iter::once(&**inner).chain(items).collect(),
            Self::Quantified(_, _, left, right) => vec![left, right],
            Self::Name(_)
            | Self::Literal(_)
            | Self::Number(_)
            | Self::Null
            | Self::Boolean(_)
            | Self::Words(_) => Vec::new(),
        }
    }

    fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        for child in self.children() {
            child.visit(see);
        }
    }

    fn change(&mut self, with: &mut impl FnMut(&mut Self)) {
        with(self);
        match self {
            Self::Call(_, items)
            | Self::Operator(_, items)
            | Self::And(items)
            | Self::Or(items)
            | Self::Array(items) => items.iter_mut().for_each(|item| item.change(with)),
            Self::Not(inner) | Self::Is(inner, _) | Self::Cast(inner, _) | Self::Select(inner) => {
                inner.change(with);
            }
            Self::In(inner, items) => {
                inner.change(with);
                items.iter_mut().for_each(|item| item.change(with));
            }
            Self::Quantified(_, _, left, right) => {
                left.change(with);
                right.change(with);
            }
            Self::Name(_)
            | Self::Literal(_)
            | Self::Number(_)
            | Self::Null
            | Self::Boolean(_)
            | Self::Words(_) => {}
        }
    }
}

/// Why a text is no expression of this grammar, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotRead {
    /// Byte of the text.
    pub(crate) at: usize,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(ours: &str, shown: &str) {
        assert_eq!(parse(ours), parse(shown), "{ours}\n{shown}");
        assert!(parse(ours).is_ok(), "{ours}: {:?}", parse(ours));
    }

    #[test]
    fn what_postgres_shows_says_the_same() {
        same(
            r#""userId" = (SELECT public.get_auth_user_id())"#,
            r#"("userId" = ( SELECT get_auth_user_id() AS get_auth_user_id))"#,
        );
        same(
            "(SELECT current_user) = 'hedgerow_admin'",
            r#"(( SELECT CURRENT_USER AS "current_user") = 'hedgerow_admin'::name)"#,
        );
        same("status IN ('a', 'b')", "(status = ANY (ARRAY['a'::text, 'b'::text]))");
        same("status NOT IN ('a', 'b')", "(status <> ALL (ARRAY['a'::text, 'b'::text]))");
        same("status IN ('a')", "(status = 'a'::text)");
        same("qty >= '-5'::bigint", "(qty >= '-5'::integer)");
        same("qty >= -5", "(qty >= '-5'::integer)");
        same("price <= '1e2'::numeric", "(price <= '100'::numeric)");
        same("price <= 1.50", "(price <= 1.5)");
        same("NOT done AND a IS NOT NULL", "((NOT done) AND (a IS NOT NULL))");
        same("a BETWEEN 1 AND 2", "((a >= 1) AND (a <= 2))");
        same("\"deletedAt\" IS NULL", "(\"deletedAt\" IS NULL)");
        same("now()", "CURRENT_TIMESTAMP");
        same("'{\"b\":1,\"a\":[1, 2]}'::jsonb", "'{\"a\": [1, 2], \"b\": 1}'::jsonb");
        same("'2026-01-31T09:30:00Z'::timestamptz", "'2026-01-31 09:30:00+00'::timestamp with time zone");
        same("labels <@ ARRAY['a','b']::text[]", "(labels <@ ARRAY['a'::text, 'b'::text])");
        same("'{\"a b\",c}'::text[]", "'{\"a b\",c}'::text[]");
        same("(slug)::text ~ '^a$'", "((slug)::text ~ '^a$'::text)");
        same("title NOT LIKE 'a%'", "(title !~~ 'a%'::text)");
        same("a OR b OR c", "((a OR b) OR c)");
        same("gen_random_uuid()::text", "(gen_random_uuid())::text");
        same(
            r#"EXISTS (SELECT FROM public."posts" s WHERE s.id = "posts_tags"."sourceId")"#,
            "(EXISTS ( SELECT\n   FROM posts s\n  WHERE (s.id = posts_tags.\"sourceId\")))",
        );
        same(
            "to_tsvector('simple'::regconfig, coalesce(\"a\"::text, '') || ' ' || coalesce(\"b\"::text, ''))",
            "to_tsvector('simple'::regconfig, ((COALESCE(a, ''::text) || ' '::text) || COALESCE((b)::text, ''::text)))",
        );
    }

    #[test]
    fn what_differs_stays_different() {
        let differ = |a: &str, b: &str| assert_ne!(Expression::read(a), Expression::read(b), "{a} | {b}");
        differ("a AND (b OR c)", "(a AND b) OR c");
        differ("\"userId\" = 'x'", "\"userid\" = 'x'");
        differ("a = 1", "a = 2");
        differ("(SELECT f())", "f()");
        differ("NOT (a AND b)", "(NOT a) AND b");
        differ("EXISTS (SELECT 1 FROM a)", "EXISTS (SELECT 1 FROM b)");
        differ("a = '1'", "a <> '1'");
        differ("id::bigint", "id");
        differ("other.f()", "f()");
    }

    #[test]
    fn a_renamed_column_is_renamed_in_it() {
        let renamed =
            Expression::read("char_length(title) <= 5 AND tasks.title <> ''").renamed("title", "name");
        assert_eq!(renamed, Expression::read("char_length(name) <= 5 AND tasks.title <> ''"));
        assert!(renamed.names("name") && !Expression::read("'name' = a").names("name"));
    }

    #[test]
    fn options_are_what_a_check_of_them_says() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let options = Expression::read(text).options_of("status");
            assert_eq!(
                options.as_deref(),
                expected.map(|list| list.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        };
        check("(status = ANY (ARRAY['a'::text, 'b'::text]))", Some(&["a", "b"]));
        check(
            "((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            Some(&["a", "b"]),
        );
        check("(status = 'a'::text)", Some(&["a"]));
        check("((status = 'a'::text) OR (status IS NULL))", None);
        check("(status <> 'a'::text)", None);
        check("(other = 'a'::text)", None);
        check("(status = other)", None);
    }

    #[test]
    fn endless_nesting_is_refused() {
        assert!(parse(&format!("{}a{}", "(".repeat(5000), ")".repeat(5000))).is_err());
    }
}
