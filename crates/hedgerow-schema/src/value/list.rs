//! Lists of texts: a JSON array, or what a cell of a table has.

use std::collections::HashSet;

use super::{Mistake, nul_byte};
use crate::TagRules;

/// The items of `["a","b"]` or of `a; b`. A cell of a table is the second form; one that begins with a bracket the first.
pub(super) fn items(text: &str) -> Result<Vec<String>, Mistake> {
    let items: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|_| Mistake::new("invalid_list", "must be an array of texts"))?
    } else {
        text.split(';').map(|item| item.trim().to_owned()).collect()
    };
    if items.iter().any(|item| item.contains('\0')) { Err(nul_byte()) } else { Ok(items) }
}

/// The chosen options, in the order of all of them.
pub(super) fn options(all: &[String], chosen: Vec<String>) -> Result<Vec<&str>, Mistake> {
    if chosen.iter().any(|item| !all.contains(item)) {
        return Err(Mistake::new("not_an_option", format!("must be some of: {}", all.join(", "))));
    }
    check_once(&chosen)?;
    Ok(all.iter().filter(|option| chosen.contains(option)).map(String::as_str).collect())
}

pub(super) fn check_tags(rules: TagRules, tags: &[String]) -> Result<(), Mistake> {
    let most = TagRules::MAX_TAGS;
    if tags.len() > most {
        let message = format!("must have at most {most} tags, has {}", tags.len());
        return Err(Mistake::new("too_many_tags", message));
    }
    if tags.iter().any(|tag| tag.trim().is_empty()) {
        return Err(Mistake::new("empty_tag", "cannot have an empty tag"));
    }
    if tags.iter().any(|tag| tag.chars().count() > rules.max_length as usize) {
        let message = format!("must have tags of at most {} characters", rules.max_length);
        return Err(Mistake::new("too_long", message));
    }
    check_once(tags)
}

pub(super) fn check_once(items: &[String]) -> Result<(), Mistake> {
    let mut seen = HashSet::new();
    match items.iter().find(|item| !seen.insert(*item)) {
        Some(item) => Err(Mistake::new("repeated_item", format!("has {item:?} more than once"))),
        None => Ok(()),
    }
}
