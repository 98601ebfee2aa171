//! Tokens to a tree, in the one form that all ways of writing a thing have.

use super::scan::{Kind, Token, tokens};
use super::{Node, NotRead};
use crate::Decimal;

/// How deep an expression may nest; a person's has a few levels.
const MAX_DEPTH: usize = 100;

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Node, NotRead> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, end: text.len(), depth: 0 };
    let node = parser.binary(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    end: usize,
    depth: usize,
}

/// How tightly binary operators bind (manual, section 4.1.6), loosest first.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const IS: u8 = 4;
const COMPARE: u8 = 5;
const IN: u8 = 6;
const OTHER: u8 = 7;
const SUM: u8 = 8;
const PRODUCT: u8 = 9;

impl Parser {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn word(&self) -> Option<&str> {
        if let Some(Kind::Word(word)) = self.peek() { Some(word) } else { None }
    }

    fn unexpected(&self, wanted: &str) -> NotRead {
        let at = self.tokens.get(self.at).map_or(self.end, |token| token.at);
        NotRead { at, message: format!("expected {wanted} here") }
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let found = self.word() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn eat(&mut self, wanted: &'static str) -> bool {
        let found = self.peek() == Some(&Kind::Mark(wanted));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &'static str) -> Result<(), NotRead> {
        if self.eat(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}`"))) }
    }

    /// The operator here, if it binds at least as tightly as `least`: its words, and how tightly.
    fn operator(&self, least: u8) -> Option<(String, u8)> {
        let (name, tightness) = match self.peek()? {
            Kind::Operator(name) => {
                let tightness = match name.as_str() {
                    "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" => COMPARE,
                    "+" | "-" => SUM,
                    "*" | "/" | "%" => PRODUCT,
                    _ => OTHER,
                };
                (if name == "!=" { "<>" } else { name.as_str() }, tightness)
            }
            Kind::Word(word) => match word.as_str() {
                "or" => ("or", OR),
                "and" => ("and", AND),
                "is" => ("is", IS),
                "in" | "not" | "between" | "like" | "ilike" => (word.as_str(), IN),
                _ => return None,
            },
            _ => return None,
        };
        (tightness >= least).then(|| (name.to_owned(), tightness))
    }

    fn binary(&mut self, least: u8) -> Result<Node, NotRead> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected("less nesting"));
        }
        let mut left =
            if least <= NOT && self.eat_word("not") { not(self.binary(NOT)?) } else { self.prefix()? };
        while let Some((name, tightness)) = self.operator(least) {
            self.at += 1;
            left = match name.as_str() {
                "and" | "or" => {
                    let right = self.binary(tightness + 1)?;
                    chain(&name, left, right)
                }
                "is" => self.is(left)?,
                "not" | "in" | "between" | "like" | "ilike" => self.membership(left, &name)?,
                _ => self.compare(left, name, tightness)?,
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn is(&mut self, left: Node) -> Result<Node, NotRead> {
        let negated = self.eat_word("not");
        let what = match self.word() {
            Some(word @ ("null" | "true" | "false" | "unknown")) => word.to_uppercase(),
            _ => return Err(self.unexpected("NULL, TRUE, FALSE or UNKNOWN")),
        };
        self.at += 1;
        let is = Node::Is(Box::new(left), what);
        Ok(if negated { not(is) } else { is })
    }

    fn membership(&mut self, left: Node, name: &str) -> Result<Node, NotRead> {
        let negated = name == "not";
        let name = if negated {
            let name = self.word().unwrap_or_default().to_owned();
            self.at += 1;
            name
        } else {
            name.to_owned()
        };
        let node = match name.as_str() {
            "in" => {
                self.expect("(")?;
                let items = self.list(")")?;
                one_of(left, items)
            }
            "between" => {
                let low = self.binary(OTHER)?;
                if !self.eat_word("and") {
                    return Err(self.unexpected("AND"));
                }
                let high = self.binary(OTHER)?;
                let at_least = Node::Operator(">=".into(), vec![left.clone(), low]);
                chain("and", at_least, Node::Operator("<=".into(), vec![left, high]))
            }
            "like" => Node::Operator("~~".into(), vec![left, self.binary(OTHER)?]),
            "ilike" => Node::Operator("~~*".into(), vec![left, self.binary(OTHER)?]),
            _ => {
                self.at -= 1;
                return Err(self.unexpected("IN, BETWEEN or LIKE"));
            }
        };
        Ok(if negated { not(node) } else { node })
    }

    fn compare(&mut self, left: Node, name: String, tightness: u8) -> Result<Node, NotRead> {
        let quantifier = match self.word() {
            Some("any" | "some") => "any",
            Some("all") => "all",
            _ => {
                let right = self.binary(tightness + 1)?;
                return Ok(compared(name, left, right));
            }
        };
        self.at += 1;
        self.expect("(")?;
        let array = self.binary(0)?;
        self.expect(")")?;
        Ok(match (name.as_str(), quantifier, array) {
            ("=", "any", Node::Array(items)) => one_of(left, items),
            ("<>", "all", Node::Array(items)) => not(one_of(left, items)),
            (_, _, array) => Node::Quantified(name, quantifier, Box::new(left), Box::new(array)),
        })
    }

    fn prefix(&mut self) -> Result<Node, NotRead> {
        if let Some(Kind::Operator(sign)) = self.peek()
            && (sign == "-" || sign == "+")
        {
            let negative = sign == "-";
            self.at += 1;
            let inner = self.prefix()?;
            return Ok(match inner {
                Node::Number(number) if negative => literal_number(&format!("-{number}")),
                inner if negative => Node::Operator("-".into(), vec![inner]),
                inner => inner,
            });
        }
        let mut node = self.primary()?;
        loop {
            if self.eat("::") {
                let ty = self.type_name()?;
                node = cast(node, ty);
            } else if self.eat("[") {
                let index = self.binary(0)?;
                self.expect("]")?;
                node = Node::Operator("[]".into(), vec![node, index]);
            } else {
                return Ok(node);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, NotRead> {
        let Some(kind) = self.peek().cloned() else { return Err(self.unexpected("a value")) };
        self.at += 1;
        match kind {
            Kind::Text(text) => Ok(Node::Literal(text)),
            Kind::Number(number) => Ok(literal_number(&number)),
            Kind::Mark("(") => {
                let node = if self.eat_word("select") {
                    let inner = self.binary(0)?;
                    if self.eat_word("as") {
                        self.at += 1;
                    }
                    Node::Select(Box::new(inner))
                } else {
                    self.binary(0)?
                };
                self.expect(")")?;
                Ok(node)
            }
            Kind::Quoted(name) => self.name(name),
            Kind::Word(word) => match word.as_str() {
                "null" => Ok(Node::Null),
                "true" => Ok(Node::Boolean(true)),
                "false" => Ok(Node::Boolean(false)),
                "current_user" | "session_user" | "current_date" | "current_timestamp" => {
                    Ok(Node::Call(word, Vec::new()))
                }
                "array" => {
                    self.expect("[")?;
                    Ok(Node::Array(self.list("]")?))
                }
                "cast" => {
                    self.expect("(")?;
                    let inner = self.binary(0)?;
                    if !self.eat_word("as") {
                        return Err(self.unexpected("AS"));
                    }
                    let ty = self.type_name()?;
                    self.expect(")")?;
                    Ok(cast(inner, ty))
                }
                "exists" => {
                    self.expect("(")?;
                    if !(self.eat_word("select") && self.eat_word("from")) {
                        return Err(self.unexpected("SELECT FROM"));
                    }
                    let Some(Kind::Word(table) | Kind::Quoted(table)) = self.peek().cloned() else {
                        return Err(self.unexpected("a table"));
                    };
                    self.at += 1;
                    let table = self.name(table)?;
                    let Some(Kind::Word(alias) | Kind::Quoted(alias)) = self.peek().cloned() else {
                        return Err(self.unexpected("a name"));
                    };
                    self.at += 1;
                    if !self.eat_word("where") {
                        return Err(self.unexpected("WHERE"));
                    }
                    let condition = self.binary(0)?;
                    self.expect(")")?;
                    Ok(Node::Call(word, vec![table, Node::Name(vec![alias]), condition]))
                }
                "select" | "case" | "and" | "or" | "in" | "is" | "from" | "where" | "as" => {
                    self.at -= 1;
                    Err(self.unexpected("a value"))
                }
                _ => self.name(word),
            },
            Kind::Mark(_) | Kind::Operator(_) => {
                self.at -= 1;
                Err(self.unexpected("a value"))
            }
        }
    }

    fn name(&mut self, first: String) -> Result<Node, NotRead> {
        let mut parts = vec![first];
        while self.eat(".") {
            match self.peek().cloned() {
                Some(Kind::Word(name) | Kind::Quoted(name)) => parts.push(name),
                _ => return Err(self.unexpected("a name")),
            }
            self.at += 1;
        }
        // Both are on every search path that matters here.
        if parts.len() > 1 && matches!(parts[0].as_str(), "pg_catalog" | "public") {
            parts.remove(0);
        }
        if self.eat("(") {
            let arguments = self.list(")")?;
            let name = parts.join(".");
            return Ok(match (name.as_str(), arguments.len()) {
                ("now", 0) => Node::Call("current_timestamp".into(), arguments),
                _ => Node::Call(name, arguments),
            });
        }
        Ok(Node::Name(parts))
    }

    /// Expressions up to `end`, which is taken too.
    fn list(&mut self, end: &'static str) -> Result<Vec<Node>, NotRead> {
        let mut items = Vec::new();
        if self.eat(end) {
            return Ok(items);
        }
        loop {
            items.push(self.binary(0)?);
            if self.eat(end) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    fn type_name(&mut self) -> Result<String, NotRead> {
        let mut name = match self.peek().cloned() {
            Some(Kind::Word(word)) => word,
            Some(Kind::Quoted(word)) => format!("\"{word}\""),
            _ => return Err(self.unexpected("a type")),
        };
        self.at += 1;
        while self.eat(".") {
            match self.peek().cloned() {
                Some(Kind::Word(part) | Kind::Quoted(part)) => {
                    name = if matches!(name.as_str(), "public" | "pg_catalog") {
                        part
                    } else {
                        format!("{name}.{part}")
                    };
                }
                _ => return Err(self.unexpected("a type")),
            }
            self.at += 1;
        }
        for second in ["varying", "precision"] {
            if self.eat_word(second) {
                name = format!("{name} {second}");
            }
        }
        if self.eat("(") {
            let digits = |node: &Node| match node {
                Node::Number(number) => number.clone(),
                _ => String::new(),
            };
            let limits: Vec<String> = self.list(")")?.iter().map(digits).collect();
            name = format!("{name}({})", limits.join(","));
        }
        if matches!(self.word(), Some("with" | "without")) {
            let with = self.eat_word("with") || !self.eat_word("without");
            if !(self.eat_word("time") && self.eat_word("zone")) {
                return Err(self.unexpected("TIME ZONE"));
            }
            name = format!("{name} {} time zone", if with { "with" } else { "without" });
        }
        while self.eat("[") {
            self.expect("]")?;
            name.push_str("[]");
        }
        Ok(match name.as_str() {
            "timestamptz" => "timestamp with time zone".to_owned(),
            "timestamp" => "timestamp without time zone".to_owned(),
            "int8" => "bigint".to_owned(),
            "int4" | "int" => "integer".to_owned(),
            "bool" => "boolean".to_owned(),
            "varchar" => "character varying".to_owned(),
            _ => name,
        })
    }
}

/// A number in the one form that its value has.
fn literal_number(text: &str) -> Node {
    let plain = Decimal::parse(text).map_or_else(|| text.to_owned(), |number| number.canonical());
    Node::Number(plain)
}

/// A literal says what it is by the column it stands beside, so its cast adds nothing but the form of its value.
fn cast(node: Node, ty: String) -> Node {
    match node {
        Node::Number(text) => Node::Number(text),
        Node::Literal(text) => match ty.split('(').next().unwrap_or_default() {
            "bigint" | "integer" | "smallint" | "numeric" | "real" | "double precision" => {
                literal_number(&text)
            }
            "jsonb" | "json" => Node::Literal(
                serde_json::from_str::<serde_json::Value>(&text)
                    .map_or(text, |value| crate::value::sorted(&value).to_string()),
            ),
            "timestamp with time zone" => Node::Literal(
                text.replacen(' ', "T", 1)
                    .parse::<jiff::Timestamp>()
                    .map_or(text, |moment| moment.to_string()),
            ),
            "time without time zone" => {
                Node::Literal(text.parse::<jiff::civil::Time>().map_or(text, |time| time.to_string()))
            }
            "boolean" => Node::Boolean(matches!(text.as_str(), "true" | "t")),
            "text[]" | "character varying[]" => match array_items(&text) {
                Some(items) => Node::Array(items.into_iter().map(Node::Literal).collect()),
                None => Node::Literal(text),
            },
            _ => Node::Literal(text),
        },
        // Every element is a literal, so the same holds.
        Node::Array(items) => Node::Array(items),
        Node::Null => Node::Null,
        Node::Name(parts) if ty == "text" => Node::Name(parts),
        Node::Cast(inner, inner_type) if inner_type == ty => Node::Cast(inner, ty),
        node => Node::Cast(Box::new(node), ty),
    }
}

/// The elements of an array literal of texts without NULL.
fn array_items(text: &str) -> Option<Vec<String>> {
    crate::query::split_quoted(text.strip_prefix('{')?.strip_suffix('}')?)
}

fn not(node: Node) -> Node {
    match node {
        Node::Not(inner) => *inner,
        Node::Operator(name, items) if name == "=" => Node::Operator("<>".into(), items),
        node => Node::Not(Box::new(node)),
    }
}

fn chain(name: &str, left: Node, right: Node) -> Node {
    let mut items = Vec::new();
    for node in [left, right] {
        match (name, node) {
            ("and", Node::And(inner)) | ("or", Node::Or(inner)) => items.extend(inner),
            (_, node) => items.push(node),
        }
    }
    if name == "and" { Node::And(items) } else { Node::Or(items) }
}

/// `!~~` is how PostgreSQL shows NOT LIKE.
fn compared(name: String, left: Node, right: Node) -> Node {
    match name.as_str() {
        "!~~" => not(Node::Operator("~~".into(), vec![left, right])),
        "!~~*" => not(Node::Operator("~~*".into(), vec![left, right])),
        _ => Node::Operator(name, vec![left, right]),
    }
}

fn one_of(left: Node, mut items: Vec<Node>) -> Node {
    if items.len() == 1 {
        return Node::Operator("=".into(), vec![left, items.remove(0)]);
    }
    Node::In(Box::new(left), items)
}
