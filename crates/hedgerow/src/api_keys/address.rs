//! Where a key may be used from.
//!
//! Always holds: a list that is there and cannot be read opens nothing; an address that is not known is on no list.

use std::net::IpAddr;

use ipnet::IpNet;

/// A text is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")]
pub struct AddressError(String);

/// An address, or a network in the notation of CIDR (RFC 4632, section 3.1); what is behind its prefix is cut off.
///
/// # Errors
/// [`AddressError`]
///
/// ```
/// use hedgerow::api_keys::parse_network;
/// assert_eq!(parse_network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
/// assert_eq!(parse_network("::ffff:192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
/// assert!(parse_network("everywhere").is_err());
/// ```
pub fn parse_network(text: &str) -> Result<IpNet, AddressError> {
    let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let network = address.or_else(|_| text.parse::<IpNet>().map(|network| network.trunc()));
    network.map_err(|_| AddressError(text.to_owned()))
}

/// The addresses of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    Everywhere,
    Listed(Vec<IpNet>),
}

impl Addresses {
    pub(super) fn read(stored: Option<&[String]>) -> Self {
        match stored {
            None => Self::Everywhere,
            Some(texts) => Self::Listed(texts.iter().filter_map(|text| parse_network(text).ok()).collect()),
        }
    }

    pub(super) fn allow(&self, from: Option<IpAddr>) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Listed(networks) => from.is_some_and(|address| {
                let address = address.to_canonical();
                networks.iter().any(|network| network.contains(&address))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_used_from_where_its_list_says() {
        let check = |list: Option<&[&str]>, from: Option<&str>, expected: bool| {
            let texts = list.map(|list| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
            let addresses = Addresses::read(texts.as_deref());
            let from = from.map(|from| from.parse().unwrap());
            assert_eq!(addresses.allow(from), expected, "{list:?} {from:?}");
        };
        check(None, None, true);
        check(None, Some("192.0.2.1"), true);
        let list = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"];
        check(Some(&list), Some("10.255.0.1"), true);
        check(Some(&list), Some("::ffff:10.255.0.1"), true);
        check(Some(&list), Some("192.0.2.7"), true);
        check(Some(&list), Some("2001:db8:1::5"), true);
        check(Some(&list), Some("192.0.2.8"), false);
        check(Some(&list), Some("2001:db9::"), false);
        check(Some(&list), None, false);
        check(Some(&[]), Some("10.0.0.1"), false);
        check(Some(&["nonsense"]), Some("10.0.0.1"), false);
    }
}
