//! A place in an ordered list, said by the values of a row's order keys (keyset pagination): what a cursor holds.
//!
//! Always holds: a place is a statement about values and no row's number, so rows that come and go elsewhere move nothing;
//! values are text forms that PostgreSQL reads back to exactly the same value.

/// Which rows of the order a page takes, as seen from the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those behind it.
    After,
    /// It and those behind it.
    From,
    /// Those before it, the nearest first.
    Before,
    /// It and those before it, the nearest first.
    UpTo,
}

/// A place in an order, and the side of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyset {
    /// Which rows.
    pub side: Side,
    /// One value for each key of the order; `None` is NULL.
    pub values: Vec<Option<String>>,
}

impl Side {
    /// Whether the rows are met from the last to the first.
    pub fn is_backward(self) -> bool {
        matches!(self, Self::Before | Self::UpTo)
    }

    /// Whether the row at the place is one of them.
    pub(crate) fn is_inclusive(self) -> bool {
        matches!(self, Self::From | Self::UpTo)
    }

    const ALL: [(Self, u8); 4] =
        [(Self::After, b'a'), (Self::From, b'f'), (Self::Before, b'b'), (Self::UpTo, b'u')];
}

/// The length that NULL has.
const NULL: u32 = u32::MAX;

impl Keyset {
    /// The place as bytes, each value behind its length.
    ///
    /// ```
    /// use hedgerow_schema::{Keyset, Side};
    /// let place = Keyset { side: Side::After, values: vec![Some("2026-01-31".into()), None] };
    /// assert_eq!(Keyset::from_bytes(&place.to_bytes()), Some(place));
    /// assert_eq!(Keyset::from_bytes(b"anything"), None);
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let side = Side::ALL.iter().find(|(side, _)| *side == self.side).map(|(_, byte)| *byte);
        let mut bytes: Vec<u8> = side.into_iter().collect();
        for value in &self.values {
            let length = value.as_ref().map_or(NULL, |text| u32::try_from(text.len()).unwrap_or(NULL));
            bytes.extend(length.to_be_bytes());
            bytes.extend(value.as_deref().unwrap_or_default().as_bytes());
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; `None`: it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, mut rest) = bytes.split_first()?;
        let side = Side::ALL.iter().find(|(_, byte)| byte == first).map(|(side, _)| *side)?;
        let mut values = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length);
            if length == NULL {
                values.push(None);
                rest = behind;
                continue;
            }
            let (text, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
            values.push(Some(std::str::from_utf8(text).ok()?.to_owned()));
            rest = behind;
        }
        rest.is_empty().then_some(Self { side, values })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_survives_its_bytes(
            values in proptest::collection::vec(proptest::option::of(".{0,20}"), 0..5),
            side in 0..4_usize,
        ) {
            let place = Keyset { side: Side::ALL[side].0, values };
            prop_assert_eq!(Keyset::from_bytes(&place.to_bytes()), Some(place));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(place) = Keyset::from_bytes(&bytes) {
                prop_assert_eq!(place.to_bytes(), bytes);
            }
        }
    }
}
