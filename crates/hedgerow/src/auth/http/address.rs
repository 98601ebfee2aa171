//! Which addresses a request that leaves this server may go to.
//!
//! Always holds: an address that could be this computer, its network or what a cloud tells its machines is none, in whatever
//! form it is written; of IPv6, only what is known to be public is allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// How far a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To public addresses.
    Public,
    /// To this computer and its networks too, because the configuration names a server there.
    Private,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(first: u16, second: u16, third: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), bits)
}

/// Where servers of one's own are: RFC 1918, RFC 6598 (shared by the customers of a provider), loopback.
const OWN_V4: [Ipv4Net; 5] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
];

/// Where no server is that anybody would name: the rest of IANA's registry of special addresses (RFC 6890), and the two
/// at which clouds talk to their machines that lie elsewhere.
const NEVER_V4: [Ipv4Net; 13] = [
    v4(0, 0, 0, 0, 8),
    v4(100, 100, 100, 200, 32),
    v4(168, 63, 129, 16, 32),
    // With 169.254.169.254, where most clouds keep credentials.
    v4(169, 254, 0, 0, 16),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// Unique local addresses (RFC 4193).
const OWN_V6: Ipv6Net = v6(0xfc00, 0, 0, 7);
/// What is given out as public (RFC 4291).
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 0, 3);
/// What of that is not: protocols (with Teredo), 6to4 and documentation.
const NEVER_V6: [Ipv6Net; 4] =
    [v6(0x2001, 0, 0, 23), v6(0x2001, 0xdb8, 0, 32), v6(0x2002, 0, 0, 16), v6(0x3fff, 0, 0, 20)];
/// The IPv4 address is in the last 32 bits (RFC 6052).
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
/// Where a cloud keeps credentials.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether a request may go to this address.
///
/// ```
/// use hedgerow::auth::http::{Reach, may_reach};
/// assert!(may_reach("140.82.121.4".parse().unwrap(), Reach::Public));
/// assert!(!may_reach("10.0.0.1".parse().unwrap(), Reach::Public));
/// assert!(!may_reach("169.254.169.254".parse().unwrap(), Reach::Private));
/// ```
pub fn may_reach(address: IpAddr, reach: Reach) -> bool {
    match address {
        IpAddr::V4(address) => may_reach_v4(address, reach),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => may_reach_v4(mapped, reach),
            None => may_reach_v6(address, reach),
        },
    }
}

fn may_reach_v4(address: Ipv4Addr, reach: Reach) -> bool {
    !NEVER_V4.iter().any(|net| net.contains(&address))
        && (reach == Reach::Private || !OWN_V4.iter().any(|net| net.contains(&address)))
}

fn may_reach_v6(address: Ipv6Addr, reach: Reach) -> bool {
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return may_reach_v4(Ipv4Addr::new(a, b, c, d), Reach::Public);
    }
    let is_own = address.is_loopback() || (OWN_V6.contains(&address) && address != METADATA_V6);
    (is_own && reach == Reach::Private)
        || (PUBLIC_V6.contains(&address) && !NEVER_V6.iter().any(|net| net.contains(&address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither, only where the configuration names a server there, or for all.
    fn check(reached: &[Reach], addresses: &[&str]) {
        for text in addresses {
            let address: IpAddr = text.parse().unwrap();
            for reach in [Reach::Public, Reach::Private] {
                assert_eq!(may_reach(address, reach), reached.contains(&reach), "{text} {reach:?}");
            }
        }
    }

    #[test]
    fn a_provider_cannot_send_requests_into_the_own_network() {
        check(
            &[Reach::Public, Reach::Private],
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.167.255.255",
                "192.169.0.0",
                "223.255.255.255",
                "2001:200::1",
                "2606:4700::1111",
                "2a00:1450:4001::1",
                "::ffff:1.1.1.1",
                "64:ff9b::101:101",
            ],
        );
        check(
            &[Reach::Private],
            &[
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.254",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.0.1",
                "::1",
                "fc00::1",
                "fd12:3456::1",
                "::ffff:127.0.0.1",
                "::ffff:10.0.0.1",
                "::ffff:7f00:1",
            ],
        );
        check(
            &[],
            &[
                "0.0.0.0",
                "0.1.2.3",
                "100.100.100.200",
                "168.63.129.16",
                "169.254.0.1",
                "169.254.169.254",
                "169.254.170.2",
                "192.0.0.1",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::ffff:0.0.0.0",
                "::ffff:169.254.169.254",
                "::ffff:0:7f00:1",
                "::7f00:1",
                "::10.0.0.1",
                "64:ff9b::7f00:1",
                "64:ff9b::a9fe:a9fe",
                "64:ff9b:1::a00:1",
                "100::1",
                "2001::1",
                "2001:db8::1",
                "2002:7f00:1::",
                "2002:a9fe:a9fe::",
                "3fff::1",
                "fd00:ec2::254",
                "fe80::1",
                "fec0::1",
                "ff02::1",
                "4000::1",
            ],
        );
    }
}
