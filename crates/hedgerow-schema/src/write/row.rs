//! One row under inspection: which fields may be named, what their values are, and what is missing.

use super::{Children, MAX_LINKS, RowInput, WriteKind};
use crate::meta::MetaChanges;
use crate::query::InputError;
use crate::reader::nearest;
use crate::{Bind, Entity, Field, value};

/// One row under inspection.
pub(super) struct Row<'e, 'k> {
    entity: &'e Entity,
    kind: WriteKind<'k>,
    pub(super) id: Option<String>,
    pub(super) metas: MetaChanges,
    pub(super) children: Vec<Children<'e>>,
    values: Vec<(&'e Field, Bind)>,
    links: Vec<(&'e Field, Vec<String>)>,
    /// Fields that were named, rightly or wrongly: those are not reported as missing too.
    pub(super) named: Vec<&'e Field>,
    pub(super) errors: Vec<InputError>,
}

impl<'e, 'k> Row<'e, 'k> {
    pub(super) fn new(entity: &'e Entity, kind: WriteKind<'k>) -> Self {
        Self {
            entity,
            kind,
            id: None,
            metas: MetaChanges::default(),
            children: Vec::new(),
            values: Vec::new(),
            links: Vec::new(),
            named: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn creates(&self) -> bool {
        matches!(self.kind, WriteKind::Create | WriteKind::Upsert)
    }

    pub(super) fn error(&mut self, name: &str, code: &'static str, message: String) {
        self.errors.push(InputError::new(name, code, message));
    }

    /// The field called `name`, if it may be written now.
    pub(super) fn writable(&mut self, name: &str, json: Option<&str>) -> Option<&'e Field> {
        if self.entity.standard().any(|standard| standard.name() == name) {
            // The one place for an id in a body: beside the same id in the path.
            let repeats_path = matches!(self.kind, WriteKind::Replace { id } if name == "id"
                && json.and_then(|raw| serde_json::from_str::<String>(raw).ok()).as_deref() == Some(id));
            if !repeats_path {
                self.error(name, "read_only_field", format!("`{name}` is set by the server"));
            }
            return None;
        }
        let Some(field) = self.entity.field(name) else {
            let names: Vec<&str> = self.entity.fields.iter().map(|field| field.name.as_str()).collect();
            let mut message = format!("`{name}` is no field of {}", self.entity.name);
            if let Some(near) = nearest(name, &names) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            self.error(name, "unknown_field", message);
            return None;
        };
        self.named.push(field);
        if field.read_only {
            self.error(name, "read_only_field", format!("`{name}` cannot be written"));
            return None;
        }
        if field.immutable && !self.creates() {
            self.error(
                name,
                "immutable_field",
                format!("`{name}` cannot be changed after the row was created"),
            );
            return None;
        }
        Some(field)
    }

    pub(super) fn set_links(&mut self, field: &'e Field, ids: Result<Vec<String>, value::Mistake>) {
        let name = field.name.as_str();
        match ids {
            Ok(ids) if ids.len() > MAX_LINKS => {
                let message = format!("`{name}` has at most {MAX_LINKS} ids, this one {}", ids.len());
                self.error(name, "too_many_ids", message);
            }
            Ok(ids) => self.links.push((field, ids)),
            Err(mistake) => self.error(name, mistake.code, format!("`{name}` {}", mistake.message)),
        }
    }

    pub(super) fn set(&mut self, field: &'e Field, checked: Result<Bind, value::Mistake>) {
        match checked {
            Ok(bind) if bind.value.is_none() && field.required => {
                self.error(field.name.as_str(), "required", format!("`{}` cannot be null", field.name));
            }
            Ok(bind) => self.values.push((field, bind)),
            Err(mistake) => {
                self.error(
                    field.name.as_str(),
                    mistake.code,
                    format!("`{}` {}", field.name, mistake.message),
                );
            }
        }
    }

    pub(super) fn finish(mut self, prefix: &str) -> Result<RowInput<'e>, Vec<InputError>> {
        let mut to_default = Vec::new();
        for field in &self.entity.fields {
            let absent = !self.named.iter().any(|named| named.name == field.name);
            let left_alone = match self.kind {
                WriteKind::Create | WriteKind::Upsert => false,
                WriteKind::Update | WriteKind::UpdateEach => true,
                WriteKind::Replace { .. } => field.read_only || field.immutable,
            };
            if !absent || left_alone {
                continue;
            }
            if field.kind.links().is_some() {
                if !self.creates() {
                    self.links.push((field, Vec::new()));
                }
            } else if field.required && field.default.is_none() {
                self.errors.push(InputError::new(
                    field.name.as_str(),
                    "required",
                    format!("`{}` is required", field.name),
                ));
            } else if !self.creates() {
                to_default.push(field);
            }
        }
        if !self.errors.is_empty() {
            for error in &mut self.errors {
                error.field.insert_str(0, prefix);
            }
            return Err(self.errors);
        }
        let Self { entity, id, values, links, metas, children, .. } = self;
        let mut row = RowInput { id, values, to_default, links, metas, children };
        row.order(entity);
        Ok(row)
    }
}
