//! URLs of platforms' APIs, which tenants set.

use crate::notation::text;
use outlet::{CallsConfig, Forbidden};
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Checks that a URL that may be called is `https` on the default port, without a user, with a name or an address of
/// the public Internet, and that the verdict is the same for the URL as the client writes it. Input: a URL.
pub fn destinations(data: &[u8]) {
    let url = text(data);
    let verdict = CallsConfig::default().check(&url);
    let Ok(read) = Url::parse(&url) else {
        return assert_eq!(verdict, Err(Forbidden::Unreadable));
    };
    assert_eq!(
        CallsConfig::default().check(read.as_str()),
        verdict,
        "{url:?} as the client writes it: {read}"
    );
    if verdict.is_err() {
        return;
    }
    assert!(read.scheme() == "https" && read.port_or_known_default() == Some(443), "{url:?}");
    assert!(read.username().is_empty() && read.password().is_none(), "{url:?}");
    let host = read.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.trim_end_matches('.').parse() {
        return assert!(!is_inside(address), "{url:?} leads to {address}");
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    assert!(name.contains('.') && !["localhost", "local", "internal"].contains(&last), "{url:?}");
    // Resolvers that accept older notations read a host with a number at its end as an address.
    assert!(!last.bytes().all(|byte| byte.is_ascii_digit()), "{url:?}");
}

/// Returns true for addresses of internal networks, by the standard library's classification.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_inside_v4(address),
        IpAddr::V6(address) => {
            address.to_ipv4_mapped().is_some_and(is_inside_v4)
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || is_translated_inside(address)
        }
    }
}

fn is_inside_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
}

/// Returns true if a NAT64 (RFC 6052) or 6to4 (RFC 3056) address contains an internal IPv4 address.
fn is_translated_inside(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    // NAT64 has it in the last 32 bits, 6to4 after the first 16.
    let v4 =
        |shift: u32| Ipv4Addr::from_bits(u32::try_from((bits >> shift) & 0xffff_ffff).unwrap_or_default());
    (bits >> 32 == 0x64_ff9b << 64 && is_inside_v4(v4(0))) || (bits >> 112 == 0x2002 && is_inside_v4(v4(80)))
}
