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
use crate::auth::secrets::Secrets;
use crate::context::{Caller, Ctx};
use crate::error::Error;

/// Half of the hash is more than anybody can guess, and a URL has better uses for the rest.
const SIGNATURE: usize = 16;

/// What the cursors of an application are signed with.
#[derive(Clone)]
pub(crate) struct CursorKey(hmac::Key);

impl CursorKey {
    /// A key of its own, derived from the current secret (HKDF, RFC 5869): other signatures of the application say nothing here.
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"hedgerow:cursor:v1");
        let derived = salt.extract(secrets.current().expose_secret().as_bytes());
        Self(derived.expand(&[], hmac::HMAC_SHA256).expect("32 bytes are not too many").into())
    }
}

/// The cursors of one list: what a user asks of an entity.
pub(super) struct Cursors<'l> {
    pub(super) ctx: &'l Ctx,
    pub(super) app: &'l App,
    pub(super) entity: &'l Entity,
    pub(super) query: &'l ListQuery<'l>,
    pub(super) shelf: Shelf,
}

impl Cursors<'_> {
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
        Keyset::from_bytes(place).filter(|place| place.values.len() == self.query.order.len())
    }

    fn signature(&self, place: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.app.cursor_key().0);
        // Each text behind its length, so that no two lists have the same bytes.
        let mut bind = |text: &[u8]| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text);
        };
        bind(self.entity.name.as_str().as_bytes());
        bind(match self.shelf {
            Shelf::Living => b"living",
            Shelf::Trash => b"trash",
        });
        bind(match self.ctx.caller() {
            Caller::Anonymous => b"",
            Caller::User(user) => user.id.as_str().as_bytes(),
        });
        for order in &self.query.order {
            bind(order.column.name().as_bytes());
            bind(order.column.sql_type().name().as_bytes());
            let nulls_first = order.nulls_first.unwrap_or(order.descending);
            bind(&[u8::from(order.descending), u8::from(nulls_first)]);
        }
        let mut narrowing: Vec<&(String, String)> = self.query.narrowing.iter().collect();
        narrowing.sort_unstable();
        bind(b"filters");
        for (name, value) in narrowing {
            bind(name.as_bytes());
            bind(value.as_bytes());
        }
        bind(place);
        context.sign()
    }
}
