//! Arrays of texts from PostgreSQL's binary form (`array_send`): the number of dimensions, a flag, the type of the items,
//! for each dimension its length and first index, then the items, each behind its length.

use hedgerow_schema::SqlType;

use super::{odd, split_value, text, write_string};
use crate::error::Error;

/// PostgreSQL's own limit.
const MAX_DIMENSIONS: usize = 6;

/// `["a","b"]`. A field has one dimension; what SQL wrote with more is shown as it is, one array in another.
pub(super) fn write_json(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    let (lengths, items) = read(bytes)?;
    let mut rest = items;
    write_dimension(out, &lengths, &mut rest)?;
    if rest.is_empty() { Ok(()) } else { Err(odd(SqlType::TextArray)) }
}

/// What stands in a cell of a table: `a;b` where that can be read again, else JSON.
pub(super) fn write_cell(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    let (lengths, mut rest) = read(bytes)?;
    let start = out.len();
    let mut is_plain = lengths.len() == 1 && !lengths.contains(&0);
    while is_plain && !rest.is_empty() {
        let (item, behind) = split_value(rest)?;
        rest = behind;
        let Some(item) = item else {
            is_plain = false;
            break;
        };
        let item = text(SqlType::TextArray, item)?;
        let is_first = out.len() == start;
        let begins_as_json = is_first && item.starts_with('[');
        is_plain = !item.is_empty() && item.trim() == item && !item.contains(';') && !begins_as_json;
        if !is_first {
            out.push(b';');
        }
        out.extend_from_slice(item.as_bytes());
    }
    if !is_plain {
        out.truncate(start);
        write_json(out, bytes)?;
    }
    Ok(())
}

/// The length of each dimension, and the bytes of the items; an empty array has no dimension.
fn read(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), Error> {
    let wrong = || odd(SqlType::TextArray);
    let (dimensions, rest) = int(bytes)?;
    let (_has_null, rest) = int(rest)?;
    let (_item_type, mut rest) = int(rest)?;
    let dimensions = usize::try_from(dimensions).ok().filter(|n| *n <= MAX_DIMENSIONS).ok_or_else(wrong)?;
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        let (length, behind) = int(rest)?;
        let (_first_index, behind) = int(behind)?;
        lengths.push(usize::try_from(length).map_err(|_| wrong())?);
        rest = behind;
    }
    Ok((lengths, rest))
}

fn int(bytes: &[u8]) -> Result<(i32, &[u8]), Error> {
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| odd(SqlType::TextArray))?;
    Ok((i32::from_be_bytes(*number), rest))
}

fn write_dimension(out: &mut Vec<u8>, lengths: &[usize], rest: &mut &[u8]) -> Result<(), Error> {
    out.push(b'[');
    let (length, inner) = lengths.split_first().map_or((0, lengths), |(length, inner)| (*length, inner));
    for at in 0..length {
        if at > 0 {
            out.push(b',');
        }
        if !inner.is_empty() {
            write_dimension(out, inner, rest)?;
            continue;
        }
        let (item, behind) = split_value(rest)?;
        *rest = behind;
        match item {
            Some(item) => write_string(out, text(SqlType::TextArray, item)?),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `array_send` writes it.
    fn sent(lengths: &[i32], items: &[Option<&str>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let has_null = i32::from(items.contains(&None));
        for number in [i32::try_from(lengths.len()).unwrap(), has_null, 25] {
            bytes.extend(number.to_be_bytes());
        }
        for length in lengths {
            bytes.extend(length.to_be_bytes());
            bytes.extend(1_i32.to_be_bytes());
        }
        for item in items {
            let length = item.map_or(-1, |text| i32::try_from(text.len()).unwrap());
            bytes.extend(length.to_be_bytes());
            bytes.extend(item.unwrap_or_default().as_bytes());
        }
        bytes
    }

    #[test]
    fn arrays_become_json_and_cells() {
        let check = |lengths: &[i32], items: &[Option<&str>], json: &str, cell: &str| {
            let bytes = sent(lengths, items);
            let (mut as_json, mut as_cell) = (Vec::new(), Vec::new());
            write_json(&mut as_json, &bytes).unwrap();
            write_cell(&mut as_cell, &bytes).unwrap();
            let shown = |bytes| String::from_utf8(bytes).unwrap();
            assert_eq!((shown(as_json), shown(as_cell)), (json.to_owned(), cell.to_owned()));
        };
        check(&[], &[], "[]", "[]");
        check(&[2], &[Some("a"), Some("ö, \"x\"")], r#"["a","ö, \"x\""]"#, "a;ö, \"x\"");
        check(&[2], &[Some("a;b"), Some("c")], r#"["a;b","c"]"#, r#"["a;b","c"]"#);
        check(&[1], &[Some("[x]")], r#"["[x]"]"#, r#"["[x]"]"#);
        check(&[2], &[Some("x"), Some("[x]")], r#"["x","[x]"]"#, "x;[x]");
        check(&[1], &[Some("")], r#"[""]"#, r#"[""]"#);
        check(&[1], &[Some(" a")], r#"[" a"]"#, r#"[" a"]"#);
        check(&[2], &[None, Some("NULL")], r#"[null,"NULL"]"#, r#"[null,"NULL"]"#);
        check(&[2, 1], &[Some("a"), Some("b")], r#"[["a"],["b"]]"#, r#"[["a"],["b"]]"#);
    }

    #[test]
    fn bytes_that_are_no_array_are_an_error() {
        let whole = sent(&[2], &[Some("a"), Some("b")]);
        for cut in 0..whole.len() {
            assert!(write_json(&mut Vec::new(), &whole[..cut]).is_err(), "{cut}");
        }
        let longer = [whole.as_slice(), &[0]].concat();
        assert!(write_json(&mut Vec::new(), &longer).is_err());
        assert!(write_json(&mut Vec::new(), &sent(&[-1], &[])).is_err());
        assert!(write_json(&mut Vec::new(), &sent(&[1; 7], &[])).is_err());
    }
}
