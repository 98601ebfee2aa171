//! Finding users.

use hedgerow::auth::admin::list::{self, Condition, Direction, Operator, Wanted};
use hedgerow::auth::admin::{self, Deed};
use hedgerow::auth::refusal::Refusal;
use serde_json::{Value, json};

use super::super::answer::Answered;
use super::super::call::Call;
use super::super::wire;
use super::administrator;

/// `GET /admin/get-user`
pub(super) async fn get_user(mut call: Call) -> Answered {
    let id = call.required_query("id")?.to_owned();
    administrator(&mut call, Deed::GetUsers).await?;
    let user = admin::find(&call.app, &id).await?;
    let document = wire::user(&call.app, &user);
    Ok(call.json(&document))
}

/// `GET /admin/list-users`: what cannot be asked about is nothing found, as Better Auth answers where its database refuses.
pub(super) async fn list_users(mut call: Call) -> Answered {
    let wanted = read(&call)?;
    let limit = wanted.as_ref().and_then(|wanted| wanted.limit);
    let offset = wanted.as_ref().map(|wanted| wanted.offset).filter(|&offset| offset > 0);
    administrator(&mut call, Deed::ListUsers).await?;
    let found = match wanted {
        Some(wanted) => list::list(&call.app, &wanted).await?,
        None => None,
    };
    let Some((users, total)) = found else {
        return Ok(call.json(&json!({ "users": [], "total": 0 })));
    };
    let users: Value = users.iter().map(|user| wire::user(&call.app, user)).collect();
    let mut document = json!({ "users": users, "total": total });
    for (name, number) in [("limit", limit), ("offset", offset)] {
        if let Some(number) = number {
            document[name] = number.into();
        }
    }
    Ok(call.json(&document))
}

/// What is wanted; `None` is a page that cannot be.
fn read(call: &Call) -> Result<Option<Wanted>, Refusal> {
    let mut problems = Vec::new();
    let search_in = choice(call, "searchField", &[("email", "email"), ("name", "name")], &mut problems);
    let texts = [Operator::Contains, Operator::StartsWith, Operator::EndsWith];
    let texts: Vec<(&str, Operator)> =
        Operator::NAMES.into_iter().filter(|(_, operator)| texts.contains(operator)).collect();
    let search_by = choice(call, "searchOperator", &texts, &mut problems);
    let directions = [("asc", Direction::Ascending), ("desc", Direction::Descending)];
    let direction = choice(call, "sortDirection", &directions, &mut problems);
    let filter_by = choice(call, "filterOperator", &Operator::NAMES, &mut problems);
    if !problems.is_empty() {
        return Err(Refusal::validation(problems.join("; ")));
    }
    let (Ok(limit), Ok(offset)) = (number(call, "limit"), number(call, "offset")) else { return Ok(None) };
    let search = call.query("searchValue").filter(|text| !text.is_empty()).map(|text| Condition {
        column: search_in.unwrap_or("email").to_owned(),
        operator: search_by.unwrap_or(Operator::Contains),
        values: vec![text.to_owned()],
    });
    let values = call.queries("filterValue");
    let operator = filter_by.unwrap_or(Operator::Eq);
    let filter = (!values.is_empty()).then(|| Condition {
        column: call.query("filterField").filter(|name| !name.is_empty()).unwrap_or("email").to_owned(),
        operator,
        values,
    });
    // Only `in` and `not_in` compare with several.
    let is_list = matches!(operator, Operator::In | Operator::NotIn);
    if filter.as_ref().is_some_and(|filter| filter.values.len() > 1 && !is_list) {
        return Ok(None);
    }
    let sort = call.query("sortBy").filter(|name| !name.is_empty());
    let sort = sort.map(|name| (name.to_owned(), direction.unwrap_or(Direction::Ascending)));
    let limit = limit.map(|limit| limit.min(list::MAX_LIMIT));
    Ok(Some(Wanted { search, filter, sort, limit, offset: offset.unwrap_or_default() }))
}

/// One of the words that a parameter takes.
fn choice<T: Copy>(call: &Call, name: &str, words: &[(&str, T)], problems: &mut Vec<String>) -> Option<T> {
    let text = call.query(name)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        problems.push(format!("[query.{name}] Invalid option: expected one of {}", words.join("|")));
    }
    found
}

/// A count; zero and what is no number count as not said, as in JavaScript, and others that are no count are an error.
fn number(call: &Call, name: &str) -> Result<Option<u32>, ()> {
    let Some(number) = call.query(name).and_then(|text| text.trim().parse::<f64>().ok()) else {
        return Ok(None);
    };
    if number.is_nan() || number == 0.0 {
        return Ok(None);
    }
    let text = format!("{number:.0}");
    if number.fract() != 0.0 { Err(()) } else { text.parse().map(Some).map_err(|_| ()) }
}
