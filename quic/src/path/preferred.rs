//! A server's preferred addresses, as both sides see them (RFC 9000 section 9.6): those that a server names, and to which of them a client goes.
//!
//! A client sends nothing but probes there before it has an answer from there (rfc9000#21.5.3-1), and by default none to its own host or
//! link on the word of a server elsewhere: services there trust whoever reaches them (RFC 9000 section 21.5.6).

use core::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// The addresses that a server would rather be reached at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Preferred {
    pub(crate) v4: Option<SocketAddrV4>,
    pub(crate) v6: Option<SocketAddrV6>,
}

/// To which preferred addresses of its servers a client goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreferredAddresses {
    /// To none: nothing is ever sent there.
    Refused,
    /// To all but those of this host and its link, unless the server is at such an address already.
    #[default]
    Checked,
    /// To all.
    Any,
}

impl Preferred {
    pub(crate) fn is_none(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }

    /// Whether a client can go to each.
    pub(crate) fn is_legal(&self) -> bool {
        let mut all = self.iter();
        all.all(is_of_a_host)
    }

    fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        let v4 = self.v4.map(SocketAddr::V4);
        v4.into_iter().chain(self.v6.map(SocketAddr::V6))
    }
}

impl PreferredAddresses {
    /// Where a client goes whose server is at `server`: to an address of the same family, which its socket can reach.
    pub(crate) fn choose(self, offered: &Preferred, server: SocketAddr) -> Option<SocketAddr> {
        let mut same = offered.iter().filter(|to| to.is_ipv4() == server.is_ipv4());
        let to = same.find(|to| is_of_a_host(*to) && *to != server)?;
        let allowed = match self {
            Self::Refused => false,
            Self::Checked => !is_near(to.ip()) || is_near(server.ip()),
            Self::Any => true,
        };
        allowed.then_some(to)
    }
}

/// Whether one host can be there.
fn is_of_a_host(address: SocketAddr) -> bool {
    let (ip, port) = (address.ip(), address.port());
    let broadcast = ip == IpAddr::V4(core::net::Ipv4Addr::BROADCAST);
    let mapped = ip.is_ipv6() && ip.to_canonical().is_ipv4();
    port != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast && !mapped
}

/// Whether an address is one of this host or its link.
fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn offered(texts: &[&str]) -> Preferred {
        let mut preferred = Preferred::default();
        for text in texts {
            match at(text) {
                SocketAddr::V4(v4) => preferred.v4 = Some(v4),
                SocketAddr::V6(v6) => preferred.v6 = Some(v6),
            }
        }
        preferred
    }

    #[test]
    fn a_client_goes_where_its_socket_can_and_its_policy_lets_it() {
        use PreferredAddresses as P;
        let (v4, v6) = ("192.0.2.1:443", "[2001:db8::1]:443");
        // (server, offered, checked, any)
        let rows: &[(&str, &[&str], Option<&str>, Option<&str>)] = &[
            (
                v4,
                &["192.0.2.2:443", "[2001:db8::2]:443"],
                Some("192.0.2.2:443"),
                Some("192.0.2.2:443"),
            ),
            (
                v6,
                &["192.0.2.2:443", "[2001:db8::2]:443"],
                Some("[2001:db8::2]:443"),
                Some("[2001:db8::2]:443"),
            ),
            (
                v4,
                &["192.0.2.1:444"],
                Some("192.0.2.1:444"),
                Some("192.0.2.1:444"),
            ),
            (
                v4,
                &["10.0.0.1:443"],
                Some("10.0.0.1:443"),
                Some("10.0.0.1:443"),
            ),
            (v4, &[v4], None, None),
            (v4, &[], None, None),
            (v4, &["[2001:db8::2]:443"], None, None),
            (v6, &["192.0.2.2:443"], None, None),
            (v4, &["127.0.0.1:443"], None, Some("127.0.0.1:443")),
            (v4, &["127.9.9.9:53"], None, Some("127.9.9.9:53")),
            (v6, &["[::1]:443"], None, Some("[::1]:443")),
            (
                v4,
                &["169.254.169.254:80"],
                None,
                Some("169.254.169.254:80"),
            ),
            (v6, &["[fe80::1]:443"], None, Some("[fe80::1]:443")),
            (
                "127.0.0.1:1",
                &["127.0.0.2:443"],
                Some("127.0.0.2:443"),
                Some("127.0.0.2:443"),
            ),
            (
                "[::1]:1",
                &["[::1]:443"],
                Some("[::1]:443"),
                Some("[::1]:443"),
            ),
            (v4, &["224.0.0.1:443"], None, None),
            (v4, &["255.255.255.255:443"], None, None),
            (v4, &["192.0.2.2:0"], None, None),
            (v4, &["0.0.0.0:443"], None, None),
            (v6, &["[ff02::1]:443"], None, None),
            (v6, &["[::ffff:127.0.0.1]:443"], None, None),
            (v6, &["[::]:443"], None, None),
        ];
        for (server, texts, checked, any) in rows {
            let offered = offered(texts);
            for (policy, want) in [(P::Refused, &None), (P::Checked, checked), (P::Any, any)] {
                let chosen = policy.choose(&offered, at(server));
                assert_eq!(chosen, want.map(at), "{server} {texts:?} {policy:?}");
            }
        }
    }

    #[test]
    fn a_server_names_addresses_of_hosts() {
        let rows: &[(&[&str], bool)] = &[
            (&[], true),
            (&["192.0.2.2:443", "[2001:db8::2]:443"], true),
            (&["127.0.0.1:443"], true),
            (&["192.0.2.2:443", "[2001:db8::2]:0"], false),
            (&["0.0.0.0:443"], false),
            (&["224.0.0.1:443"], false),
            (&["[::ffff:192.0.2.1]:443"], false),
        ];
        for (texts, legal) in rows {
            let preferred = offered(texts);
            assert_eq!(preferred.is_legal(), *legal, "{texts:?}");
            assert_eq!(preferred.is_none(), texts.is_empty());
        }
    }
}
