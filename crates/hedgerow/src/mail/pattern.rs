//! Texts with `{{placeholders}}`: forty lines instead of a template language, because a mail needs no loops, and because a
//! mistake should be found when the program starts, with its place.
//!
//! Always holds: what is filled in stays one line, and in HTML it stays text.

use std::fmt::Write;
use std::ops::Range;

use super::content::Carries;

/// What can stand between the braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    Name,
    Url,
    Code,
    Product,
    Expires,
}

impl Placeholder {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Url => "url",
            Self::Code => "code",
            Self::Product => "product",
            Self::Expires => "expires",
        }
    }

    /// What a template that brings this may use.
    pub(crate) fn of(carries: Carries) -> &'static [Self] {
        match carries {
            Carries::Link => &[Self::Name, Self::Product, Self::Url, Self::Expires],
            Carries::Code => &[Self::Name, Self::Product, Self::Code, Self::Expires],
            Carries::News => &[Self::Name, Self::Product],
        }
    }
}

/// What is put in the place of placeholders.
pub(crate) struct Values {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) code: String,
    pub(crate) product: String,
    pub(crate) expires: String,
}

impl Values {
    fn get(&self, placeholder: Placeholder) -> &str {
        match placeholder {
            Placeholder::Name => &self.name,
            Placeholder::Url => &self.url,
            Placeholder::Code => &self.code,
            Placeholder::Product => &self.product,
            Placeholder::Expires => &self.expires,
        }
    }
}

/// Where a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Text,
    Html,
}

/// A text that was understood.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Hole(Placeholder),
}

impl Pattern {
    /// Reads `text`, in which `known` may stand; a mistake is said with the bytes it is about.
    pub(crate) fn read(text: &str, known: &[Placeholder]) -> Result<Self, (Range<usize>, String)> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{").map(|found| at + found) {
            let end = text[open..].find("}}").map(|found| open + found);
            let Some(end) = end.filter(|end| !text[open..*end].contains('\n')) else {
                return Err((open..open + 2, "`{{` has no `}}` on its line".to_owned()));
            };
            let name = text[open + 2..end].trim();
            let Some(placeholder) = known.iter().find(|known| known.name() == name) else {
                return Err((open..end + 2, format!("there is no `{{{{{name}}}}}` in this mail")));
            };
            pieces.push(Piece::Text(text[at..open].to_owned()));
            pieces.push(Piece::Hole(*placeholder));
            at = end + 2;
        }
        pieces.push(Piece::Text(text[at..].to_owned()));
        Ok(Self(pieces))
    }

    pub(crate) fn has(&self, wanted: Placeholder) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Hole(placeholder) if *placeholder == wanted))
    }

    pub(crate) fn fill(&self, values: &Values, medium: Medium) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match (piece, medium) {
                (Piece::Text(text), _) => filled.push_str(text),
                (Piece::Hole(hole), Medium::Text) => filled.extend(one_line(values.get(*hole))),
                (Piece::Hole(hole), Medium::Html) => {
                    for c in one_line(values.get(*hole)) {
                        push_escaped(&mut filled, c);
                    }
                }
            }
        }
        filled
    }
}

/// Without control characters, of which CR and LF would begin a header, and without the line ends of Unicode.
pub(crate) fn one_line(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}'))
}

/// HTML, 13.1.2.3 and 13.1.4 (WHATWG): safe between tags and in quoted attributes.
fn push_escaped(html: &mut String, c: char) {
    if "&<>\"'".contains(c) {
        // Writing to a String cannot fail.
        let _ = write!(html, "&#{};", u32::from(c));
    } else {
        html.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            name: "Ann\r\nBcc: <b>".to_owned(),
            url: "http://localhost/?a=1&b=\"2\"".to_owned(),
            code: "123456".to_owned(),
            product: "Shop".to_owned(),
            expires: "1 hour".to_owned(),
        }
    }

    #[test]
    fn placeholders_are_filled_in_as_the_medium_wants() {
        let check = |text: &str, medium, expected: &str| {
            let pattern = Pattern::read(text, Placeholder::of(Carries::Link)).unwrap();
            assert_eq!(pattern.fill(&values(), medium), expected);
        };
        check("Hello {{name}}!", Medium::Text, "Hello AnnBcc: <b>!");
        check("{{ url }}", Medium::Text, "http://localhost/?a=1&b=\"2\"");
        check("<a href=\"{{url}}\">", Medium::Html, "<a href=\"http://localhost/?a=1&#38;b=&#34;2&#34;\">");
        check("{{name}}", Medium::Html, "AnnBcc: &#60;b&#62;");
        check("{ {{product}} } {}", Medium::Text, "{ Shop } {}");
        check("", Medium::Text, "");
    }

    #[test]
    fn what_is_filled_in_is_not_read_again() {
        let pattern = Pattern::read("{{name}}", Placeholder::of(Carries::News)).unwrap();
        let values = Values { name: "{{product}}".to_owned(), ..values() };
        assert_eq!(pattern.fill(&values, Medium::Text), "{{product}}");
    }

    #[test]
    fn mistakes_have_a_place() {
        let check = |text: &str, expected_span, expected: &str| {
            let (span, message) = Pattern::read(text, Placeholder::of(Carries::News)).unwrap_err();
            assert_eq!((span, message.as_str()), (expected_span, expected));
        };
        check("Hi {{nme}}", 3..10, "there is no `{{nme}}` in this mail");
        check("Hi {{url}}", 3..10, "there is no `{{url}}` in this mail");
        check("Hi {{name", 3..5, "`{{` has no `}}` on its line");
        check("Hi {{name\n}}", 3..5, "`{{` has no `}}` on its line");
        check("ä{{}}", 2..6, "there is no `{{}}` in this mail");
    }
}
