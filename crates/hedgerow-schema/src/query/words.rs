//! Words that texts are searched for, as PostgreSQL's `to_tsquery` reads them (manual, section 12.3.2).
//!
//! Always holds: each word stands in quotes, and the rest was parsed here, so `to_tsquery` finds nothing to refuse.

/// A search has at most this many characters.
const MAX_LENGTH: usize = 500;
/// And at most this many words.
const MAX_WORDS: usize = 50;
/// Parentheses lie at most this deep inside each other.
const MAX_DEPTH: u32 = 10;

/// What people type: words that all occur, `"a phrase"`, `-without`; the last word may be the beginning of one.
///
/// # Errors
/// A sentence that follows the parameter's name.
pub(super) fn typed(text: &str) -> Result<String, String> {
    check_size(text)?;
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (negated, behind) = match rest.strip_prefix('-') {
            Some(behind) => ("!", behind),
            None => ("", rest),
        };
        let (word, behind, is_phrase) = match behind.strip_prefix('"') {
            Some(inner) => {
                let (word, behind) = inner.split_once('"').unwrap_or((inner, ""));
                (word, behind, true)
            }
            None => {
                let end = behind.find([' ', '\t', '\n', '\r', '"']).unwrap_or(behind.len());
                (&behind[..end], &behind[end..], false)
            }
        };
        rest = behind.trim_start();
        if word.trim().is_empty() {
            continue;
        }
        let begins = rest.is_empty() && behind.is_empty() && !is_phrase && negated.is_empty();
        words.push(format!("{negated}{}{}", quote(word), if begins { ":*" } else { "" }));
        if words.len() > MAX_WORDS {
            return Err(format!("has at most {MAX_WORDS} words"));
        }
    }
    if words.is_empty() { Err("needs a word".to_owned()) } else { Ok(words.join(" & ")) }
}

/// The language of `to_tsquery`: words with `&`, `|`, `!`, `<->`, parentheses, and `:*` for beginnings.
///
/// # Errors
/// A sentence that follows the parameter's name.
pub(super) fn query(text: &str) -> Result<String, String> {
    check_size(text)?;
    let mut parser = Parser { rest: text, out: String::new(), words: 0 };
    match parser.either(0) {
        Some(()) if parser.spaces().is_empty() => Ok(parser.out),
        _ if parser.words > MAX_WORDS => Err(format!("has at most {MAX_WORDS} words")),
        _ => {
            Err("is words with &, |, !, <-> and parentheses between, such as `fat & (cat | rat:*)`"
                .to_owned())
        }
    }
}

/// Plain text, for the functions that read any text.
///
/// # Errors
/// A sentence that follows the parameter's name.
pub(super) fn plain(text: &str) -> Result<String, String> {
    check_size(text)?;
    Ok(text.to_owned())
}

fn check_size(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("cannot contain the character U+0000".to_owned());
    }
    if text.chars().count() > MAX_LENGTH {
        return Err(format!("has at most {MAX_LENGTH} characters"));
    }
    Ok(())
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

/// A parser by descent; each level binds tighter than the one before: `|`, `&`, `<->`, `!`.
struct Parser<'t> {
    rest: &'t str,
    out: String,
    words: usize,
}

impl<'t> Parser<'t> {
    fn spaces(&mut self) -> &'t str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.spaces().strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn either(&mut self, depth: u32) -> Option<()> {
        self.both(depth)?;
        while self.eat("|") {
            self.out.push_str(" | ");
            self.both(depth)?;
        }
        Some(())
    }

    fn both(&mut self, depth: u32) -> Option<()> {
        self.in_order(depth)?;
        while self.eat("&") {
            self.out.push_str(" & ");
            self.in_order(depth)?;
        }
        Some(())
    }

    fn in_order(&mut self, depth: u32) -> Option<()> {
        self.one(depth)?;
        while self.eat("<") {
            let (distance, behind) = self.rest.split_once('>')?;
            if distance != "-" && !distance.parse::<u16>().is_ok_and(|distance| distance <= 1000) {
                return None;
            }
            self.out.push_str(&format!(" <{distance}> "));
            self.rest = behind;
            self.one(depth)?;
        }
        Some(())
    }

    fn one(&mut self, depth: u32) -> Option<()> {
        while self.eat("!") {
            self.out.push('!');
        }
        if self.eat("(") {
            if depth == MAX_DEPTH {
                return None;
            }
            self.out.push('(');
            self.either(depth + 1)?;
            self.out.push(')');
            return self.eat(")").then_some(());
        }
        self.word()
    }

    fn word(&mut self) -> Option<()> {
        self.words += 1;
        let word = if self.eat("'") {
            let (word, behind) = self.rest.split_once('\'')?;
            self.rest = behind;
            word
        } else {
            let rest = self.spaces();
            let ends = |c: char| c.is_whitespace() || "&|!()<>:'".contains(c);
            let (word, behind) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            self.rest = behind;
            word
        };
        if word.trim().is_empty() || self.words > MAX_WORDS {
            return None;
        }
        self.out.push_str(&quote(word));
        if let Some(behind) = self.rest.strip_prefix(':') {
            let end = behind.find(|c| !matches!(c, '*' | 'A'..='D')).unwrap_or(behind.len());
            if end == 0 || end > 5 {
                return None;
            }
            self.out.push_str(&self.rest[..=end]);
            self.rest = &behind[end..];
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_words_phrases_and_what_is_not_wanted() {
        let check = |text: &str, expected: Result<&str, &str>| {
            assert_eq!(typed(text).as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("fat cat", Ok("'fat' & 'cat':*"));
        check("fat cat ", Ok("'fat' & 'cat'"));
        check("\"fat cat\" -rat mouse", Ok("'fat cat' & !'rat' & 'mouse':*"));
        check("-rat", Ok("!'rat'"));
        check("\"open phrase", Ok("'open phrase'"));
        check("it's \\", Ok(r"'it''s' & '\\':*"));
        check("a\"b c\"d", Ok("'a' & 'b c' & 'd':*"));
        check("a or b & !c:*", Ok("'a' & 'or' & 'b' & '&' & '!c:*':*"));
        check("", Err("needs a word"));
        check(" - \"\" ", Err("needs a word"));
        check("a\0", Err("cannot contain the character U+0000"));
        check(&"x ".repeat(51), Err("has at most 50 words"));
        check(&"x".repeat(501), Err("has at most 500 characters"));
    }

    #[test]
    fn the_language_of_to_tsquery_is_parsed_here() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(query(text).ok().as_deref(), expected, "{text}");
        };
        check("fat", Some("'fat'"));
        check("fat&cat | !rat:*", Some("'fat' & 'cat' | !'rat':*"));
        check("fat <-> (cat|rat) <2> x:AB*", Some("'fat' <-> ('cat' | 'rat') <2> 'x':AB*"));
        check("'fat cat' & e-mail", Some("'fat cat' & 'e-mail'"));
        check("it\\s", Some(r"'it\\s'"));
        for bad in
            ["", "fat cat", "&", "fat &", "(fat", "fat)", "!", "fat:", "fat:x", "a <1001> b", "a < b", "'a"]
        {
            check(bad, None);
        }
        check(&format!("{}a{}", "(".repeat(11), ")".repeat(11)), None);
    }
}
