use super::{
    Forbidden::{Address, Name, Port, Scheme, Unreadable, UserInfo},
    *,
};
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn refusal(url: &str) -> Option<Forbidden> {
    judge(url, &[]).err()
}

/// URLs, and the reasons why they aren't called.
const SPELLINGS: &[(&str, Option<Forbidden>)] = &[
    // The loopback, as addresses of IPv4 may be written.
    ("https://127.0.0.1", Some(Address)),
    ("https://127.0.0.1.", Some(Address)),
    ("https://2130706433", Some(Address)),
    ("https://017700000001", Some(Address)),
    ("https://0x7f000001", Some(Address)),
    ("https://0x7F.0.0.1", Some(Address)),
    ("https://0177.0.0.1", Some(Address)),
    ("https://0177.0x0.0.01", Some(Address)),
    ("https://127.1", Some(Address)),
    ("https://127.0.1", Some(Address)),
    ("https://127.65535", Some(Address)),
    ("https://0", Some(Address)),
    ("https://0x", Some(Address)),
    ("https://0.0.0.0", Some(Address)),
    ("https://4294967297", Some(Unreadable)),
    ("https://127.0.0.256", Some(Unreadable)),
    ("https://127.0.0.0.1", Some(Unreadable)),
    // Digits and dots that IDNA maps; percent escapes.
    ("https://１２７.０.０.１", Some(Address)),
    ("https://127。0。0。1", Some(Address)),
    ("https://127．0．0．1", Some(Address)),
    ("https://①②⑦.⓪.⓪.①", Some(Address)),
    ("https://%31%32%37.0.0.1", Some(Address)),
    ("https://%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1", Some(Address)),
    ("https://12\u{ad}7.0.0.1", Some(Address)),
    ("https://127.0.0.1\u{200b}", Some(Address)),
    ("https://127\t.0.\n0.1", Some(Address)),
    ("  https://127.0.0.1  ", Some(Address)),
    ("HTTPS://127.0.0.1", Some(Address)),
    ("https:127.0.0.1", Some(Address)),
    ("https:/127.0.0.1", Some(Address)),
    ("https:\\\\127.0.0.1", Some(Address)),
    ("https:///127.0.0.1", Some(Address)),
    // Names of the loopback and of local networks.
    ("https://localhost", Some(Name)),
    ("https://localhost.", Some(Name)),
    ("https://localhost..", Some(Name)),
    ("https://shop.example.com..", Some(Name)),
    ("https://LOCALHOST", Some(Name)),
    ("https://ｌｏｃａｌｈｏｓｔ", Some(Name)),
    ("https://ⓛocalhost", Some(Name)),
    ("https://local%68ost", Some(Name)),
    ("https://shop.localhost", Some(Name)),
    ("https://postgres", Some(Name)),
    ("https://postgres.default.svc.cluster.local", Some(Name)),
    ("https://metadata.google.internal", Some(Name)),
    ("https://metadata.google.internal.", Some(Name)),
    ("https://router.home.arpa", Some(Name)),
    ("https://shop.onion", Some(Name)),
    // IPv6, also with IPv4 wrapped in it.
    ("https://[::1]", Some(Address)),
    ("https://[::]", Some(Address)),
    ("https://[0:0:0:0:0:0:0:1]", Some(Address)),
    ("https://[::ffff:127.0.0.1]", Some(Address)),
    ("https://[::ffff:7f00:1]", Some(Address)),
    ("https://[0:0:0:0:0:FFFF:7F00:0001]", Some(Address)),
    ("https://[::127.0.0.1]", Some(Address)),
    ("https://[::ffff:0:127.0.0.1]", Some(Address)),
    ("https://[64:ff9b::127.0.0.1]", Some(Address)),
    ("https://[64:ff9b:1::8.8.8.8]", Some(Address)),
    ("https://[2002:7f00:1::]", Some(Address)),
    ("https://[2001:0:4136:e378:8000:63bf:80ff:fffe]", Some(Address)),
    ("https://[fd00:ec2::254]", Some(Address)),
    ("https://[fc00::1]", Some(Address)),
    ("https://[fe80::1]", Some(Address)),
    ("https://[fe80::1%25eth0]", Some(Unreadable)),
    ("https://[fe80::1%eth0]", Some(Unreadable)),
    ("https://[ff02::1]", Some(Address)),
    ("https://[2001:db8::1]", Some(Address)),
    ("https://::1", Some(Unreadable)),
    // Other networks.
    ("https://169.254.169.254/latest/meta-data", Some(Address)),
    ("https://2852039166", Some(Address)),
    ("https://0xa9fea9fe", Some(Address)),
    ("https://[::ffff:169.254.169.254]", Some(Address)),
    ("https://168.63.129.16", Some(Address)),
    ("https://10.0.0.1", Some(Address)),
    ("https://012.0.0.1", Some(Address)),
    ("https://172.16.0.1", Some(Address)),
    ("https://192.168.1.1", Some(Address)),
    ("https://192.168.257", Some(Address)),
    ("https://100.64.0.1", Some(Address)),
    ("https://192.0.2.1", Some(Address)),
    ("https://224.0.0.1", Some(Address)),
    ("https://255.255.255.255", Some(Address)),
    // Names before the host, ports, schemes, and texts that aren't URLs.
    ("https://api.example.com@127.0.0.1", Some(UserInfo)),
    ("https://api.example.com:443@127.0.0.1", Some(UserInfo)),
    ("https://:secret@api.example.com", Some(UserInfo)),
    ("https://127.0.0.1\\@api.example.com", Some(Address)),
    ("https://127.0.0.1#@api.example.com", Some(Address)),
    ("https://127.0.0.1?@api.example.com", Some(Address)),
    ("https://api.example.com:22", Some(Port)),
    ("https://api.example.com:8443", Some(Port)),
    ("https://api.example.com:80", Some(Port)),
    ("http://api.example.com", Some(Scheme)),
    ("http://8.8.8.8:443", Some(Scheme)),
    ("ftp://api.example.com", Some(Scheme)),
    ("file:///etc/passwd", Some(Scheme)),
    ("gopher://127.0.0.1", Some(Scheme)),
    ("", Some(Unreadable)),
    ("/v2/orders", Some(Unreadable)),
    ("api.example.com", Some(Unreadable)),
    ("//api.example.com", Some(Unreadable)),
    // URLs of the platforms.
    ("https://suite.myshopify.com/admin/api/2026-07/graphql.json", None),
    ("https://connect.squareup.com", None),
    ("https://CONNECT.squareup.com.", None),
    ("https://api.example.com:443", None),
    ("https://münchen.example.com", None),
    ("https://8.8.8.8", None),
    ("https://[2001:4860:4860::8888]", None),
    ("https://notlocalhost.com", None),
    ("https://internal.example.com", None),
];

#[test]
fn no_spelling_of_an_address_that_is_not_public_is_called() {
    for (url, expected) in SPELLINGS {
        assert_eq!(refusal(url), *expected, "{url:?}");
    }
}

fn allowed(texts: &[&str]) -> Vec<AllowedOrigin> {
    texts.iter().map(|text| AllowedOrigin::try_from((*text).to_owned()).unwrap()).collect()
}

#[test]
fn an_exception_is_one_origin_and_nothing_beside_it() {
    let allow = allowed(&["http://127.0.0.1:8080", "https://pos.internal", "http://[::1]:*"]);
    let cases = [
        ("http://127.0.0.1:8080/orders", true),
        ("http://2130706433:8080", true),
        ("http://127.0.0.1:8081", false),
        ("http://127.0.0.1", false),
        ("https://127.0.0.1:8080", false),
        ("http://127.0.0.2:8080", false),
        ("http://localhost:8080", false),
        ("http://user@127.0.0.1:8080", false),
        ("https://pos.internal", true),
        ("https://POS.internal:443/x", true),
        ("https://pos.internal:8443", false),
        ("http://pos.internal", false),
        ("https://pos.internal.", false),
        ("https://other.pos.internal", false),
        ("https://pos.internal@127.0.0.1", false),
        ("http://[::1]:9", true),
        ("http://[0:0::1]", true),
        ("https://[::1]", false),
    ];
    for (url, expected) in cases {
        let judged = judge(url, &allow);
        assert_eq!(matches!(judged, Ok(Destination::Allowed(_))), expected, "{url}: {judged:?}");
        assert!(expected || judged.is_err(), "{url}: {judged:?}");
    }
}

#[test]
fn an_exception_that_is_no_origin_is_refused_with_its_text() {
    for text in [
        "",
        "*",
        "127.0.0.1",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://*",
        "https://",
        "https://pos.internal/",
        "https://pos.internal/v2",
        "https://pos.internal?x",
        "https://pos.internal#x",
        "https://user@pos.internal",
        "https://pos.internal:*/",
        "https://pos.internal:x",
    ] {
        let refused = AllowedOrigin::try_from(text.to_owned());
        assert!(refused.is_err_and(|error| error.to_string().contains(text)), "{text:?}");
    }
}

/// The spellings of an IPv4 address that URL parsers accept.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let bits = address.to_bits();
    let wide = |text: &str| {
        let widen = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
        text.chars().map(widen).collect::<String>()
    };
    let mapped = Ipv6Addr::from(address.to_ipv6_mapped().octets()).segments();
    vec![
        address.to_string(),
        format!("{address}."),
        bits.to_string(),
        format!("0{bits:o}"),
        format!("{bits:#x}"),
        format!("{a:#x}.{b:#X}.0{c:o}.{d}").replace("0X", "0x"),
        format!("0{a:o}.{b}.{}", bits & 0xffff),
        format!("{a}.{}", bits & 0x00ff_ffff),
        wide(&address.to_string()),
        format!("[::ffff:{address}]"),
        format!("[::ffff:{:x}:{:x}]", mapped[6], mapped[7]),
        format!("[64:ff9b::{address}]"),
    ]
}

proptest! {
    #[test]
    fn each_spelling_of_an_address_is_judged_alike(bits in any::<u32>(), near in 0_u8..6) {
        let bits = match near {
            0 => 0x7f00_0000 | (bits & 0xff_ffff),
            1 => 0x0a00_0000 | (bits & 0xff_ffff),
            2 => 0xa9fe_0000 | (bits & 0xffff),
            3 => 0xc0a8_0000 | (bits & 0xffff),
            _ => bits,
        };
        let address = Ipv4Addr::from_bits(bits);
        let expected = (!is_public(address.into())).then_some(Forbidden::Address);
        for spelling in spellings(address) {
            prop_assert_eq!(refusal(&format!("https://{spelling}/x")), expected, "{}", spelling);
        }
    }

    #[test]
    fn whatever_is_called_as_public_is_https_without_a_user_at_443(url in "(https?|HTTPS)?:?/{0,3}[a-z0-9@:.\\[\\]%\\\\#?/-]{0,30}") {
        if let Ok(Destination::Public(read)) = judge(&url, &[]) {
            prop_assert_eq!(read.scheme(), "https");
            prop_assert_eq!(read.port_or_known_default(), Some(443));
            prop_assert!(read.username().is_empty() && read.password().is_none());
            let address = read.host_str().and_then(address_of);
            prop_assert!(address.is_none_or(is_public), "{}", read);
        }
    }
}
