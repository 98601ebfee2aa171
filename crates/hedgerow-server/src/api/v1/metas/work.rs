//! A write of metadata as the settling of writes knows it, and the documents that answers are.

use std::collections::BTreeMap;

use hedgerow::Error;
use hedgerow::database::Identity;
use hedgerow::metadata::{Meta, MetaService, MetasOf, Only};
use hedgerow::records::{Expected, Writes};
use hedgerow::schema::Action;
use hedgerow::schema::meta::{MergedValue, MetaChanges, MetaInput};

use crate::api::v1::prefer::{Preferences, Return};
use crate::api::v1::records::reply::{Answer, Reply, Shown};
use crate::api::v1::records::request::Form;
use crate::respond::Failure;

/// A write of one key or several.
pub(crate) struct MetaWork<'r> {
    pub(super) metas: MetaService<'r>,
    pub(super) of: MetasOf<'r>,
    pub(super) deed: Deed<'r>,
    pub(crate) prefer: &'r Preferences,
    pub(super) form: Form,
    /// Of the request; where a new key is.
    pub(super) path: &'r str,
}

/// What is done.
pub(super) enum Deed<'r> {
    Put(MetaInput<'r>, Option<Only<'r>>),
    Change(MetaChanges),
    Delete(&'r str, &'r Expected),
}

impl MetaWork<'_> {
    pub(crate) fn authorize(&self) -> Result<Identity, Failure> {
        let action = if matches!(self.deed, Deed::Delete(..)) { Action::Delete } else { Action::Write };
        Ok(self.metas.authorize(self.of, action)?)
    }

    /// The status of its answer, where that is known before it is done.
    pub(crate) fn success(&self) -> Option<u16> {
        match self.deed {
            Deed::Put(_, None) => None,
            Deed::Put(_, Some(Only::IfAbsent)) => Some(201),
            Deed::Delete(..) => Some(204),
            _ if matches!(self.prefer.returning, Some(Return::Minimal | Return::HeadersOnly)) => Some(204),
            Deed::Put(..) | Deed::Change(_) => Some(200),
        }
    }

    pub(crate) async fn perform(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        let reply = |status| Reply::new(status, self.prefer, self.form);
        match &self.deed {
            Deed::Put(input, only) => {
                let written = self.metas.put_one(writes, self.of, input, *only).await;
                let written = written.map_err(|error| match (error, only) {
                    (Error::Changed, Some(Only::IfAbsent)) => Failure::IsThere,
                    (error, _) => error.into(),
                })?;
                let reply = if written.is_new { reply(201).with_location(self.path) } else { reply(200) };
                reply.of_one(written.row, Shown::Object)
            }
            Deed::Change(changes) => {
                let metas = self.metas.change(writes, self.of, changes).await?;
                reply(200).of_document(object(&metas))
            }
            Deed::Delete(key, expected) => {
                self.metas.delete_one(writes, self.of, key, expected).await?;
                Ok(reply(204).of_nothing())
            }
        }
    }
}

/// Key to value.
pub(super) fn object(metas: &[Meta]) -> Vec<u8> {
    document(metas.iter().map(|meta| (meta.key.as_str(), meta.value.json())))
}

/// Key to value and level.
pub(super) fn merged_object(metas: &BTreeMap<String, MergedValue>) -> Vec<u8> {
    document(metas.iter().map(|(key, MergedValue { value, level, from })| {
        let names: Vec<&str> = from.iter().map(|level| level.name()).collect();
        let levels = if from.len() > 1 {
            format!(",\"levels\":{}", serde_json::Value::from(names))
        } else {
            String::new()
        };
        (key.as_str(), format!("{{\"value\":{},\"level\":\"{}\"{levels}}}", value.json(), level.name()))
    }))
}

fn document<'m>(members: impl Iterator<Item = (&'m str, String)>) -> Vec<u8> {
    let mut out = String::from("{");
    for (at, (key, json)) in members.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(key).to_string());
        out.push(':');
        out.push_str(&json);
    }
    out.push('}');
    out.into_bytes()
}
