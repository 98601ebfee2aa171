//! Cursors: places in a list as text that a client hands back.
//!
//! Always holds: a cursor opens only for the user, the entity, the filters and the order that it was made for, and only as
//! this application wrote it. What it holds is the values of one row's order keys, a row that its user has read.
//!
//! The text is base64url (RFC 4648, section 5) of a truncated HMAC-SHA256 (RFC 2104) and the place. All that the cursor is
//! bound to is under the signature and not in the text.

use data_encoding::BASE64URL_NOPAD;
use hedgerow_schema::{Entity, Keyset, ListQuery, Side, statement::Shelf};
use ring::{hkdf, hmac};
use secrecy::ExposeSecret;

use crate::app::App;
use crate::context::{Caller, Ctx};
use crate::error::Error;

/// Half of the hash is more than anybody can guess, and a URL has better uses for the rest.
const SIGNATURE: usize = 16;

/// What cursors of one list are signed with.
pub(super) struct Cursors {
    key: hmac::Key,
    /// Who asks for what, in one text that means nothing else.
    bound_to: Vec<u8>,
    keys: usize,
}

impl Cursors {
    pub(super) fn new(ctx: &Ctx, app: &App, entity: &Entity, query: &ListQuery<'_>, shelf: Shelf) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"hedgerow:cursor:v1");
        let secret = app.auth().secrets().current().expose_secret().as_bytes();
        let derived = salt.extract(secret);
        let okm = derived.expand(&[], hmac::HMAC_SHA256).expect("32 bytes are not too many");
        let mut bound_to = Vec::new();
        let mut bind = |text: &str| {
            bound_to.extend((text.len() as u64).to_be_bytes());
            bound_to.extend(text.as_bytes());
        };
        bind(entity.name.as_str());
        bind(match shelf {
            Shelf::Living => "living",
            Shelf::Trash => "trash",
        });
        bind(match ctx.caller() {
            Caller::Anonymous => "",
            Caller::User(user) => user.id.as_str(),
        });
        for order in &query.order {
            bind(order.column.name());
            bind(order.column.sql_type().name());
            bind(if order.descending { "desc" } else { "asc" });
            bind(if order.nulls_first.unwrap_or(order.descending) { "nullsfirst" } else { "nullslast" });
        }
        let mut narrowing: Vec<&(String, String)> = query.narrowing.iter().collect();
        narrowing.sort_unstable();
        bind("filters");
        for (name, value) in narrowing {
            bind(name);
            bind(value);
        }
        Self { key: okm.into(), bound_to, keys: query.order.len() }
    }

    /// The text of a place.
    pub(super) fn write(&self, side: Side, values: Vec<Option<String>>) -> String {
        let place = Keyset { side, values }.to_bytes();
        let mut token = self.signature(&place).as_ref()[..SIGNATURE].to_vec();
        token.extend(place);
        BASE64URL_NOPAD.encode(&token)
    }

    /// # Errors
    /// It is no cursor of this list.
    pub(super) fn read(&self, text: &str) -> Result<Keyset, Error> {
        self.open(text).ok_or_else(|| {
            let message = "the cursor is not one of this list: it was changed, or filters, order or user are others than \
                           those of the answer it came from; start again without it";
            Error::input("cursor", "invalid_cursor", message)
        })
    }

    fn open(&self, text: &str) -> Option<Keyset> {
        let token = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (signature, place) = token.split_at_checked(SIGNATURE)?;
        let expected = self.signature(place);
        // In constant time: who could measure how far a guess was right could go on guessing.
        let is_signed = subtle::ConstantTimeEq::ct_eq(&expected.as_ref()[..SIGNATURE], signature);
        if !bool::from(is_signed) {
            return None;
        }
        Keyset::from_bytes(place).filter(|place| place.values.len() == self.keys)
    }

    fn signature(&self, place: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(self.bound_to.len() as u64).to_be_bytes());
        context.update(&self.bound_to);
        context.update(place);
        context.sign()
    }
}
