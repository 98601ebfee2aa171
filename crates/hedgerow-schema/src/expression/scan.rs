//! SQL expressions cut into tokens.

use super::NotRead;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An unquoted word, in lower case.
    Word(String),
    /// A quoted name.
    Quoted(String),
    Number(String),
    Text(String),
    Operator(String),
    /// `( ) [ ] , . ::`
    Mark(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, NotRead> {
    const OPERATORS: &str = "+-*/<>=~!@#%^&|?";
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    let fail = |at, message: &str| NotRead { at, message: message.to_owned() };
    while at < bytes.len() {
        let start = at;
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or(' ');
        let kind = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '\'' => {
                Kind::Text(quoted(text, &mut at, false).ok_or_else(|| fail(start, "this text has no end"))?)
            }
            'e' | 'E' if rest[1..].starts_with('\'') => {
                at += 1;
                Kind::Text(quoted(text, &mut at, true).ok_or_else(|| fail(start, "this text has no end"))?)
            }
            '"' => {
                Kind::Quoted(quoted(text, &mut at, false).ok_or_else(|| fail(start, "this name has no end"))?)
            }
            c if c.is_ascii_digit() => {
                let length = rest
                    .bytes()
                    .enumerate()
                    .take_while(|&(n, b)| {
                        b.is_ascii_alphanumeric()
                            || b == b'.'
                            || (matches!(b, b'+' | b'-') && matches!(rest.as_bytes()[n - 1], b'e' | b'E'))
                    })
                    .count();
                at += length;
                Kind::Number(rest[..length].to_owned())
            }
            c if c.is_alphabetic() || c == '_' => {
                let length =
                    rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
                at += length;
                Kind::Word(rest[..length].to_lowercase())
            }
            ':' if rest.starts_with("::") => {
                at += 2;
                Kind::Mark("::")
            }
            '(' | ')' | '[' | ']' | ',' | '.' => {
                at += 1;
                Kind::Mark(match first {
                    '(' => "(",
                    ')' => ")",
                    '[' => "[",
                    ']' => "]",
                    ',' => ",",
                    _ => ".",
                })
            }
            c if OPERATORS.contains(c) => {
                let mut length = rest.find(|c| !OPERATORS.contains(c)).unwrap_or(rest.len());
                // `a=-1`: a sign belongs to the number, as PostgreSQL reads it.
                while length > 1 && matches!(rest.as_bytes()[length - 1], b'-' | b'+') {
                    length -= 1;
                }
                at += length;
                Kind::Operator(rest[..length].to_owned())
            }
            c => return Err(fail(start, &format!("{c:?} is not understood here"))),
        };
        tokens.push(Token { kind, at: start });
    }
    Ok(tokens)
}

/// The content of a quoted text or name at `at`, a doubled quote being one.
pub(super) fn quoted(text: &str, at: &mut usize, escapes: bool) -> Option<String> {
    let mut chars = text[*at..].char_indices();
    let (_, quote) = chars.next()?;
    let mut content = String::new();
    while let Some((offset, c)) = chars.next() {
        if c == quote {
            if text[*at + offset + 1..].starts_with(quote) {
                content.push(quote);
                chars.next();
                continue;
            }
            *at += offset + 1;
            return Some(content);
        }
        if escapes && c == '\\' {
            let (_, escaped) = chars.next()?;
            content.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
            continue;
        }
        content.push(c);
    }
    None
}
