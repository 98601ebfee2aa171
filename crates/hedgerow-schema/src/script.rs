//! Migration files as statements: where each begins, which run together, and what they would lose.
//!
//! Always holds: a file is one transaction unless it says `-- hedgerow: no-transaction`; there, what stands between
//! BEGIN and COMMIT is one transaction, and every other statement is one by itself.
//!
//! A database that others made is adopted by two files (`adopt.rs`): one says `-- hedgerow: found` and makes, on an empty
//! database alone, what stood there; the other says `-- hedgerow: core NAME` and does the work of Hedgerow's own set of
//! that name.

use std::fmt::Write as _;

use crate::Sql;
use crate::diff::{Loss, Plan, Unit};

/// Statements that run as one transaction, at the end of a file.
pub fn append(file: &mut String, statements: &[Sql]) {
    let block = block(file, statements);
    file.push_str(&block);
}

/// The same at the beginning, behind the lines that say what the file is.
pub fn prepend(file: &mut String, statements: &[Sql]) {
    let lines =
        file.split_inclusive('\n').take_while(|line| line.starts_with("--") || line.trim().is_empty());
    let head: usize = lines.map(str::len).sum();
    let mut block = block(file, statements);
    block.push('\n');
    file.insert_str(head, block.trim_start());
}

fn block(file: &str, statements: &[Sql]) -> String {
    let in_steps = file.lines().any(|line| line == "-- hedgerow: no-transaction");
    let mut text = String::from(if in_steps { "\nBEGIN;\n" } else { "\n" });
    for statement in statements {
        text.push_str(statement.text());
        text.push_str(";\n");
    }
    text.push_str(if in_steps { "COMMIT;\n" } else { "" });
    text
}

/// One statement of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without the semicolon and without comments in front.
    pub text: String,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Statements that run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// In order; never empty.
    pub statements: Vec<Statement>,
    /// One statement that PostgreSQL refuses inside a transaction.
    pub alone: bool,
}

/// A file, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Whether the file says `no-transaction`.
    pub in_steps: bool,
    /// In order. One block where the file is one transaction.
    pub blocks: Vec<Block>,
    /// What the file would lose, if it is there.
    pub losses: Vec<Loss>,
    /// Whether it makes what an adopted database had from the beginning.
    pub found: bool,
    /// The sets of Hedgerow's own tables whose work it does; a way back undoes it.
    pub core: Vec<String>,
}

/// Why a file is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl Script {
    /// Takes a file apart.
    ///
    /// # Errors
    /// [`ScriptError`] for an unknown `-- hedgerow:` line, and for BEGIN and COMMIT in the wrong places.
    ///
    /// ```
    /// use hedgerow_schema::script::Script;
    /// let script = Script::parse("CREATE TABLE a (b text DEFAULT ';'); -- one; two\nDROP TABLE c;").unwrap();
    /// assert_eq!(script.blocks.len(), 1);
    /// assert_eq!(script.blocks[0].statements[1].line, 2);
    /// assert_eq!(script.losses.len(), 1);
    /// ```
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let (mut in_steps, mut losses, mut found, mut core) = (false, Vec::new(), false, Vec::new());
        for (line, content) in text.lines().enumerate() {
            let Some(directive) = content.trim().strip_prefix("-- hedgerow:") else { continue };
            let words: Vec<&str> = directive.split_whitespace().collect();
            match words.as_slice() {
                ["no-transaction"] => in_steps = true,
                ["found"] => found = true,
                ["core", name] => core.push((*name).to_owned()),
                ["loses", "table", table] => losses.push(Loss::Table((*table).to_owned())),
                ["loses", what @ ("column" | "values"), place] if place.contains('.') => {
                    let (table, column) = place.split_once('.').unwrap_or_default();
                    let (table, column) = (table.to_owned(), column.to_owned());
                    losses.push(if *what == "column" {
                        Loss::Column(table, column)
                    } else {
                        Loss::Values(table, column)
                    });
                }
                _ => {
                    let message = format!(
                        "`-- hedgerow:{directive}` is not understood; known are `no-transaction`, `loses table|column|values NAME`, \
                         and of an adopted database `found` and `core NAME`"
                    );
                    return Err(ScriptError { line: line + 1, message });
                }
            }
        }
        let statements = split(text);
        for statement in &statements {
            for loss in losses_of(&statement.text) {
                if !losses.contains(&loss) {
                    losses.push(loss);
                }
            }
        }
        let blocks = if in_steps { steps(statements)? } else { whole(statements)? };
        Ok(Self { in_steps, blocks, losses, found, core })
    }
}

fn whole(statements: Vec<Statement>) -> Result<Vec<Block>, ScriptError> {
    if let Some(own) = statements.iter().find(|statement| is_transaction_control(statement)) {
        let message =
            "the file ends or begins a transaction of its own; remove it, each file is one anyway, or \
                       write `-- hedgerow: no-transaction` at the top"
                .to_owned();
        return Err(ScriptError { line: own.line, message });
    }
    Ok(if statements.is_empty() { Vec::new() } else { vec![Block { statements, alone: false }] })
}

fn steps(statements: Vec<Statement>) -> Result<Vec<Block>, ScriptError> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<Statement>)> = None;
    for statement in statements {
        let words = words(&statement.text);
        let fail = |message: &str| Err(ScriptError { line: statement.line, message: message.to_owned() });
        match (words.first().map(String::as_str), &mut open) {
            (Some("begin"), Some(_)) => return fail("BEGIN inside a transaction"),
            (Some("begin"), None) => open = Some((statement.line, Vec::new())),
            (Some("commit" | "end"), Some((_, inside))) => {
                if !inside.is_empty() {
                    blocks.push(Block { statements: std::mem::take(inside), alone: false });
                }
                open = None;
            }
            (Some("commit" | "end" | "rollback" | "start" | "abort"), _) => {
                return fail("only BEGIN and COMMIT, in pairs, make a transaction here");
            }
            (_, Some((_, inside))) => inside.push(statement),
            (_, None) => {
                let alone = runs_alone(&words);
                blocks.push(Block { statements: vec![statement], alone });
            }
        }
    }
    match open {
        Some((line, _)) => Err(ScriptError { line, message: "this BEGIN has no COMMIT".to_owned() }),
        None => Ok(blocks),
    }
}

fn is_transaction_control(statement: &Statement) -> bool {
    const CONTROL: &[&str] = &["begin", "commit", "rollback", "abort", "start", "end", "prepare"];
    let words = words(&statement.text);
    let first = words.first().map(String::as_str).unwrap_or_default();
    CONTROL.contains(&first)
        && !(first == "rollback" && words.iter().any(|word| word == "to"))
        && !(first == "prepare" && words.get(1).is_none_or(|word| word != "transaction"))
}

/// Whether PostgreSQL refuses the statement inside a transaction.
fn runs_alone(words: &[String]) -> bool {
    let first: Vec<&str> = words.iter().take(6).map(String::as_str).collect();
    match first.as_slice() {
        ["create" | "drop" | "reindex" | "refresh" | "alter", ..] if first.contains(&"concurrently") => true,
        ["vacuum" | "call", ..]
        | ["alter", "system", ..]
        | ["create" | "drop", "database" | "tablespace" | "subscription", ..]
        | ["reindex", "database" | "system" | "schema", ..] => true,
        _ => false,
    }
}

/// The index that `CREATE INDEX CONCURRENTLY` builds.
pub fn concurrent_index(statement: &str) -> Option<String> {
    name_after(
        statement,
        &[
            ("create", true),
            ("unique", false),
            ("index", true),
            ("concurrently", true),
            ("if", false),
            ("not", false),
            ("exists", false),
        ],
    )
    .filter(|name| name != "on")
}

/// The index that `DROP INDEX CONCURRENTLY` drops.
pub fn concurrent_drop(statement: &str) -> Option<String> {
    name_after(
        statement,
        &[("drop", true), ("index", true), ("concurrently", true), ("if", false), ("exists", false)],
    )
}

/// The name behind keywords, some of which may be absent.
fn name_after(statement: &str, keywords: &[(&str, bool)]) -> Option<String> {
    let words = words(statement);
    let mut at = 0;
    for (keyword, needed) in keywords {
        if words.get(at).is_some_and(|word| word == keyword) {
            at += 1;
        } else if *needed {
            return None;
        }
    }
    words.get(at).map(|name| name.strip_prefix("public.").unwrap_or(name).to_owned())
}

/// Whether a statement that waits for its locks keeps nobody waiting but those who change the same rows or the same
/// table's definition.
pub fn stops_nobody(statement: &str) -> bool {
    let words = words(statement);
    match words.first().map(String::as_str) {
        Some("insert" | "update" | "delete" | "merge" | "with" | "select" | "values" | "copy") => true,
        Some("alter") => words.iter().any(|word| word == "validate"),
        _ => false,
    }
}

/// Whether the statement reads or writes rows, so that row-level security would make it lie to the owner.
pub fn needs_rows(statement: &str) -> bool {
    let words = words(statement);
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    match words.first().map(String::as_str) {
        Some("create") => has("as") && (has("table") || has("materialized")) && has("select"),
        Some("alter") => has("validate") || (has("references") && !(has("not") && has("valid"))),
        Some(
            "comment" | "grant" | "revoke" | "drop" | "set" | "reset" | "reindex" | "vacuum" | "analyze"
            | "lock",
        ) => false,
        _ => true,
    }
}

/// What a statement takes away: tables and columns that it drops or empties.
fn losses_of(statement: &str) -> Vec<Loss> {
    let words = words(statement);
    let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
    let bare = |name: &str| name.strip_prefix("public.").unwrap_or(name).to_owned();
    // Names may be followed by commas, which `words` keeps as words of their own.
    let names = |mut at: usize| {
        if word(at) == "if" {
            at += 2;
        }
        if word(at) == "only" {
            at += 1;
        }
        let mut names = vec![bare(word(at))];
        while word(at + 1) == "," {
            at += 2;
            names.push(bare(word(at)));
        }
        (names, at + 1)
    };
    match (word(0), word(1)) {
        ("drop", "table") => names(2).0.into_iter().map(Loss::Table).collect(),
        ("truncate", "table") => names(2).0.into_iter().map(Loss::Table).collect(),
        ("truncate", _) => names(1).0.into_iter().map(Loss::Table).collect(),
        ("alter", "table") => {
            let (table, mut at) = names(2);
            let mut losses = Vec::new();
            let keywords = ["constraint", "default", "not", "expression", "identity"];
            while at < words.len() {
                if word(at) == "drop" && !keywords.contains(&word(at + 1)) {
                    at += if word(at + 1) == "column" { 2 } else { 1 };
                    if word(at) == "if" {
                        at += 2;
                    }
                    losses.push(Loss::Column(table.concat(), word(at).to_owned()));
                }
                at += 1;
            }
            losses
        }
        _ => Vec::new(),
    }
}

/// The words of a statement: keywords in lower case, quoted names as they are, dotted names as one, commas; no texts.
fn words(statement: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut joins = false;
    for piece in pieces(statement) {
        let text = &statement[piece.range.clone()];
        let word = match piece.kind {
            PieceKind::Word => text.to_lowercase(),
            PieceKind::Name => text[1..text.len().max(2) - 1].replace("\"\"", "\""),
            PieceKind::Mark if text == "." && !words.is_empty() => {
                joins = true;
                continue;
            }
            PieceKind::Mark if text == "," => ",".to_owned(),
            _ => continue,
        };
        match words.last_mut() {
            Some(last) if std::mem::take(&mut joins) => {
                last.push('.');
                last.push_str(&word);
            }
            _ => words.push(word),
        }
    }
    words
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PieceKind {
    Word,
    /// A quoted name.
    Name,
    Text,
    Comment,
    Space,
    Mark,
}

struct Piece {
    kind: PieceKind,
    range: std::ops::Range<usize>,
}

/// SQL text cut into pieces, as PostgreSQL's scanner would (manual, section 4.1).
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or(' ');
        let until = |end: Option<usize>, length: usize| end.map_or(rest.len(), |end| end + length);
        let (kind, length) = if rest.starts_with("--") {
            (PieceKind::Comment, until(rest.find('\n'), 1))
        } else if rest.starts_with("/*") {
            (PieceKind::Comment, block_comment(rest))
        } else if first == '\'' {
            (PieceKind::Text, quoted(rest, '\'', false))
        } else if matches!(first, 'e' | 'E') && rest[1..].starts_with('\'') {
            (PieceKind::Text, 1 + quoted(&rest[1..], '\'', true))
        } else if first == '"' {
            (PieceKind::Name, quoted(rest, '"', false))
        } else if let Some(tag) = dollar_tag(rest) {
            (PieceKind::Text, until(rest[tag.len()..].find(tag), 2 * tag.len()))
        } else if first.is_whitespace() {
            (PieceKind::Space, first.len_utf8())
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
            (PieceKind::Word, until(end, 0))
        } else {
            (PieceKind::Mark, first.len_utf8())
        };
        let length = length.min(rest.len()).max(1);
        pieces.push(Piece { kind, range: at..at + length });
        at += length;
    }
    pieces
}

fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            if text[at + 1..].starts_with(quote) {
                chars.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// `$tag$` at the beginning.
fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let tag = &inner[..end];
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..end + 2])
}

/// The statements of a text.
pub fn split(text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let (mut start, mut end) = (None, 0);
    // `BEGIN ATOMIC … END` holds semicolons of its own; CASE has an END too.
    let (mut atomic, mut last_word) = (0_u32, String::new());
    let mut finish = |start: &mut Option<usize>, end: usize| {
        if let Some(from) = start.take() {
            let line = text[..from].matches('\n').count() + 1;
            statements.push(Statement { text: text[from..end].trim_end().to_owned(), line });
        }
    };
    for piece in pieces(text) {
        let content = &text[piece.range.clone()];
        match piece.kind {
            PieceKind::Space | PieceKind::Comment => continue,
            PieceKind::Mark if content == ";" && atomic == 0 => {
                finish(&mut start, piece.range.start);
                continue;
            }
            PieceKind::Word => {
                let word = content.to_lowercase();
                match word.as_str() {
                    "atomic" if last_word == "begin" => atomic = 1,
                    "case" if atomic > 0 => atomic += 1,
                    "end" if atomic > 0 => atomic -= 1,
                    _ => {}
                }
                last_word = word;
            }
            _ => {}
        }
        start.get_or_insert(piece.range.start);
        end = piece.range.end;
    }
    finish(&mut start, end);
    statements
}

/// A plan as the text of a migration file. `note` is said at the top.
pub fn write(plan: &Plan, note: &str) -> String {
    let mut text = String::new();
    for line in note.lines() {
        let _ = writeln!(text, "-- {line}");
    }
    for change in &plan.changes {
        let _ = writeln!(
            text,
            "-- {}: {} {}",
            change.class.word(),
            change.object,
            change.action.replace('\n', " ")
        );
    }
    for loss in plan.losses() {
        let _ = match loss {
            Loss::Table(table) => writeln!(text, "-- hedgerow: loses table {table}"),
            Loss::Column(table, column) => writeln!(text, "-- hedgerow: loses column {table}.{column}"),
            Loss::Values(table, column) => writeln!(text, "-- hedgerow: loses values {table}.{column}"),
        };
    }
    let units = plan.units();
    let in_steps = units.len() > 1 || matches!(units.as_slice(), [Unit::Alone(_)]);
    if in_steps {
        text.push_str("-- hedgerow: no-transaction\n");
    }
    for unit in &units {
        text.push('\n');
        match unit {
            Unit::Alone(sql) => {
                let _ = writeln!(text, "{sql};");
            }
            Unit::Transaction(statements) => {
                if in_steps {
                    text.push_str("BEGIN;\n");
                }
                for sql in statements {
                    let _ = writeln!(text, "{sql};");
                }
                if in_steps {
                    text.push_str("COMMIT;\n");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_where_they_end() {
        let check = |text: &str, expected: &[&str]| {
            let got: Vec<String> = split(text).into_iter().map(|statement| statement.text).collect();
            assert_eq!(got, expected, "{text}");
        };
        check("SELECT 1; SELECT 2", &["SELECT 1", "SELECT 2"]);
        check("SELECT ';' ; -- a;b\n/* ; /* ; */ ; */ SELECT \";\"", &["SELECT ';'", "SELECT \";\""]);
        check("SELECT E'\\';' ; SELECT 'it''s;'", &["SELECT E'\\';'", "SELECT 'it''s;'"]);
        check(
            "DO $$ BEGIN; END $$; SELECT $a$ ; $$ ; $a$;",
            &["DO $$ BEGIN; END $$", "SELECT $a$ ; $$ ; $a$"],
        );
        check(
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
            &["CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END", "SELECT 3"],
        );
        check(" ;; -- nothing", &[]);
        check("SELECT 'never ends; ", &["SELECT 'never ends;"]);
    }

    #[test]
    fn losses_are_seen() {
        let check = |text: &str, expected: &[&str]| {
            let got: Vec<String> = losses_of(text)
                .into_iter()
                .map(|loss| match loss {
                    Loss::Table(table) => table,
                    Loss::Column(table, column) | Loss::Values(table, column) => format!("{table}.{column}"),
                })
                .collect();
            assert_eq!(got, expected, "{text}");
        };
        check("DROP TABLE tasks", &["tasks"]);
        check("drop table if exists public.\"Tasks\", b CASCADE", &["Tasks", "b"]);
        check("TRUNCATE tasks", &["tasks"]);
        check("ALTER TABLE public.\"tasks\" DROP COLUMN \"dueDate\", DROP b", &["tasks.dueDate", "tasks.b"]);
        check(
            "ALTER TABLE IF EXISTS ONLY tasks DROP CONSTRAINT x, ALTER a DROP DEFAULT, ALTER b DROP NOT NULL",
            &[],
        );
        check("SELECT 'DROP TABLE tasks'", &[]);
        check("DROP INDEX a", &[]);
    }

    #[test]
    fn transactions_are_where_the_file_says() {
        assert!(Script::parse("BEGIN; SELECT 1; COMMIT;").is_err());
        assert!(Script::parse("DO $$ BEGIN PERFORM 1; END $$; SAVEPOINT a; ROLLBACK TO a").is_ok());
        assert_eq!(Script::parse("-- hedgerow: no-transactoin").unwrap_err().line, 1);
        let text = "-- hedgerow: no-transaction\nBEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\n\
                    CREATE UNIQUE INDEX CONCURRENTLY \"idx\" ON a (b);\nSELECT 3";
        let script = Script::parse(text).unwrap();
        let shape: Vec<(usize, bool)> =
            script.blocks.iter().map(|block| (block.statements.len(), block.alone)).collect();
        assert_eq!(shape, [(2, false), (1, true), (1, false)]);
        assert_eq!(concurrent_index(&script.blocks[1].statements[0].text).as_deref(), Some("idx"));
        assert_eq!(
            concurrent_index("create index concurrently if not exists Idx on a (b)").as_deref(),
            Some("idx")
        );
        assert_eq!(concurrent_index("CREATE INDEX CONCURRENTLY ON a (b)"), None);
        assert_eq!(concurrent_drop("DROP INDEX CONCURRENTLY public.\"Idx\"").as_deref(), Some("Idx"));
        assert!(Script::parse("-- hedgerow: no-transaction\nBEGIN; SELECT 1").is_err());
    }

    #[test]
    fn only_what_reads_rows_needs_them() {
        for (text, expected) in [
            ("UPDATE tasks SET a = 1", true),
            ("ALTER TABLE a VALIDATE CONSTRAINT b", true),
            ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c (d)", true),
            ("ALTER TABLE a ADD CONSTRAINT x FOREIGN KEY (b) REFERENCES c (d) NOT VALID", false),
            ("ALTER TABLE a ADD COLUMN b text", false),
            ("CREATE INDEX a ON b (c)", false),
            ("CREATE TABLE a AS SELECT * FROM b", true),
            ("GRANT SELECT ON a TO b", false),
            ("DO $$ BEGIN END $$", true),
        ] {
            assert_eq!(needs_rows(text), expected, "{text}");
        }
    }
}
