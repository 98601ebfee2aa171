//! Making and changing users.

use hedgerow::App;
use hedgerow::auth::admin::{self, Actor, Deed, Edit, NewByAdmin};
use hedgerow::auth::refusal::{self, Kind, Refusal};
use hedgerow::auth::settings::Switch;
use hedgerow::auth::store::user::Changes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::answer::Answered;
use super::super::body::{Fields, Shape, is_email};
use super::super::call::Call;
use super::super::sign_in::check_field;
use super::super::wire;
use super::administrator;

const NO_DATA_TO_UPDATE: Refusal = Refusal::new(Kind::Bad, "NO_DATA_TO_UPDATE", "No data to update");
const PASSWORD: Refusal = Refusal::new(
    Kind::Bad,
    "PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER",
    "Password cannot be updated through update-user. Use the set-user-password endpoint instead",
);
const ID: Refusal = Refusal::new(Kind::Bad, "USER_ID_CANNOT_BE_UPDATED", "User id cannot be updated");

/// One role, or several in an array.
fn read_role(value: &Value) -> Result<String, Refusal> {
    let one = |value: &Value| value.as_str().map(str::to_owned).ok_or(admin::INVALID_ROLE_TYPE);
    let text = match value {
        Value::Array(values) => values.iter().map(one).collect::<Result<Vec<String>, Refusal>>()?.join(","),
        value => one(value)?,
    };
    admin::roles(&text)
}

/// Whether it is a text or an array of texts.
fn is_role(value: &Value) -> bool {
    value.is_string() || value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
}

fn role_of(fields: &mut Fields<'_>) -> Option<Value> {
    let value = fields.any("role").cloned();
    if value.as_ref().is_some_and(|value| !is_role(value)) {
        fields.note("role", "Invalid input");
    }
    value
}

/// `POST /admin/set-role`
pub(super) async fn set_role(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let id = fields.coerced("userId");
    let role = role_of(&mut fields);
    if role.is_none() && fields.object().is_some() {
        fields.note("role", "Invalid input");
    }
    fields.finish()?;
    let current = administrator(&mut call, Deed::SetRoles).await?;
    let role = read_role(&role.unwrap_or_default())?;
    let user = admin::set_role(&call.app, Actor::Administrator(&current.user.id), &id, &role).await?;
    let document = json!({ "user": wire::user(&call.app, &user) });
    Ok(call.json(&document))
}

/// What `data` says, checked.
#[derive(Default)]
struct Data {
    changes: Changes,
    role: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    banned: Option<Switch>,
}

impl Data {
    /// Reads the columns that an administrator sets; others are left out, as Better Auth does with columns that it does
    /// not know.
    fn read(app: &App, object: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut data = Self::default();
        let wrong = |name: &str, expected: &str| {
            Refusal::validation(format!("[body.data.{name}] Invalid input: expected {expected}"))
        };
        for (name, value) in object {
            match (name.as_str(), value) {
                ("role", value) => data.role = Some(read_role(value)?),
                ("email", value) => {
                    let email = value.as_str().unwrap_or_default().to_lowercase();
                    if !is_email(&email) {
                        return Err(refusal::INVALID_EMAIL);
                    }
                    data.email = Some(email);
                }
                ("emailVerified", Value::Bool(flag)) => data.email_verified = Some(*flag),
                ("banned", Value::Bool(flag)) => {
                    data.banned = Some(if *flag { Switch::On } else { Switch::Off });
                }
                ("emailVerified" | "banned", _) => return Err(wrong(name, "boolean")),
                ("name", Value::String(text)) if !text.contains('\0') => {
                    data.changes = data.changes.text("name", Some(text));
                }
                ("image" | "banReason", Value::Null | Value::String(_)) => {
                    let text = value.as_str();
                    if text.is_some_and(|text| text.contains('\0')) {
                        return Err(wrong(name, "a text without U+0000"));
                    }
                    let column = if name == "image" { "image" } else { "banReason" };
                    data.changes = data.changes.text(column, text);
                }
                ("name" | "image" | "banReason", _) => return Err(wrong(name, "string")),
                ("banExpires", Value::Null) => data.changes = data.changes.moment("banExpires", None),
                ("banExpires", value) => {
                    let end = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                    let end = end.ok_or_else(|| wrong(name, "date"))?;
                    data.changes = data.changes.moment("banExpires", Some(end));
                }
                _ => {
                    let known = &app.auth().settings().fields;
                    if let Some(field) = known.iter().find(|field| field.name.as_str() == name) {
                        check_field(field, value, "body.data")?;
                        data.changes = data.changes.field(&field.name, value);
                    }
                }
            }
        }
        Ok(data)
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.role.is_none()
            && self.email.is_none()
            && self.email_verified.is_none()
            && self.banned.is_none()
    }
}

/// What else it takes to set these members.
fn deeds_of(object: &Map<String, Value>) -> impl Iterator<Item = Deed> {
    let named = [
        (Deed::SetRoles, &["role"][..]),
        (Deed::BanUsers, &["banned", "banReason", "banExpires"]),
        (Deed::SetEmails, &["email", "emailVerified"]),
        (Deed::SetPhones, &["phoneNumber", "phoneNumberVerified"]),
    ];
    named
        .into_iter()
        .filter(|(_, names)| names.iter().any(|name| object.contains_key(*name)))
        .map(|(deed, _)| deed)
}

/// `POST /admin/update-user`
pub(super) async fn update_user(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let id = fields.coerced("userId");
    let object = fields.record("data").cloned().unwrap_or_default();
    fields.finish()?;
    let current = administrator(&mut call, Deed::UpdateUsers).await?;
    let refused = match () {
        () if object.is_empty() => Some(NO_DATA_TO_UPDATE),
        () if object.contains_key("password") => Some(PASSWORD),
        () if object.contains_key("id") => Some(ID),
        () => None,
    };
    if let Some(refused) = refused {
        return Err(refused.into());
    }
    for deed in deeds_of(&object) {
        admin::require(&call.app, &current, deed)?;
    }
    let data = Data::read(&call.app, &object)?;
    if data.is_empty() {
        return Err(NO_DATA_TO_UPDATE.into());
    }
    let Data { changes, role, email, email_verified, banned } = data;
    let edit = Edit { changes, role, email, email_verified, banned };
    let user = admin::update(&call.app, Actor::Administrator(&current.user.id), &id, edit).await?;
    let document = wire::user(&call.app, &user);
    Ok(call.json(&document))
}

/// `POST /admin/create-user`
pub(super) async fn create_user(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let email = fields.string("email").to_lowercase();
    let password = fields.optional("password").filter(|text| !text.is_empty()).map(str::to_owned);
    let name = fields.string("name").to_owned();
    let role = role_of(&mut fields);
    let object = match fields.any("data") {
        Some(_) => fields.record("data").cloned().unwrap_or_default(),
        None => Map::new(),
    };
    fields.finish()?;
    let current = administrator(&mut call, Deed::CreateUsers).await?;
    let mut object = object;
    // The members beside `data` count.
    object.remove("email");
    object.remove("name");
    if let Some(role) = role {
        object.insert("role".to_owned(), role);
    }
    for deed in deeds_of(&object) {
        admin::require(&call.app, &current, deed)?;
    }
    let data = Data::read(&call.app, &object)?;
    if !is_email(&email) {
        return Err(refusal::INVALID_EMAIL.into());
    }
    let mut values = data.changes.text("name", Some(name));
    if let Some(verified) = data.email_verified {
        values = values.flag("emailVerified", verified);
    }
    if let Some(banned) = data.banned {
        values = values.flag("banned", banned == Switch::On);
    }
    for field in &call.app.auth().settings().fields {
        if let Some(default) = &field.default
            && !object.contains_key(field.name.as_str())
        {
            values = values.field(&field.name, default);
        }
    }
    let new = NewByAdmin { email, password, values, role: data.role };
    let user = admin::create(&call.app, Actor::Administrator(&current.user.id), new).await?;
    let document = json!({ "user": wire::user(&call.app, &user) });
    Ok(call.json(&document))
}
