//! Who is asked over the network: the URL of a provider, and which addresses it may have.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::address::{authority, is_loopback_name, split_authority};
use super::mistake::{Flaw, Quoted};

/// An http or https URL of an authorization server, or of something that is asked like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUrl {
    text: String,
    is_https: bool,
    host: String,
    port: Option<u16>,
    target: String,
}

impl ProviderUrl {
    /// Reads a URL. Nothing for what has user information, a fragment, or characters that do not belong there.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        const LONGEST: usize = 2048;
        let (scheme, rest) = text.split_once("://").filter(|_| text.len() <= LONGEST)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (host, target) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
        let (host, port) = split_authority(host).filter(|(_, port)| *port != Some(0))?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{target}");
        let is_plain = target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
        let is_target = is_plain && target.parse::<http::uri::PathAndQuery>().is_ok();
        is_target.then(|| Self { text: text.to_owned(), is_https, host: host.into_owned(), port, target })
    }

    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        let flaw = || {
            let hint = "write https://idp.example.com/path, without user name or fragment";
            Flaw::hinted(format!("{} is not an http(s) URL", Quoted(text)), hint)
        };
        Self::read(text).ok_or_else(flaw)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether what is sent there is encrypted.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.is_https
    }

    /// The name or the address, in lower case, an IPv6 one without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, that of the scheme where none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// Path and query, as they stand in a request.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What the `Host` header says.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port.filter(|_| !self.has_default_port()))
    }

    /// The same server and another path, which begins with a slash.
    #[must_use]
    pub fn at(&self, target: &str) -> Option<Self> {
        let scheme = if self.is_https { "https" } else { "http" };
        Self::read(&format!("{scheme}://{}{target}", authority(&self.host, self.port)))
    }

    /// Whether it names an address of this machine itself, so that nothing leaves it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_name(&self.host)
    }

    /// Whether the host is an address, or the one name that means an address: no name server has a say in it.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok()
    }

    const fn has_default_port(&self) -> bool {
        matches!((self.is_https, self.port), (true, Some(443)) | (false, Some(80)))
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How the servers of one provider may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Which addresses beyond the public ones they may have.
    pub networks: Networks,
    /// Whether what they are asked may cross a network in clear.
    pub allow_http: bool,
    /// Certificate authorities (PEM) that are trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// For one question and its answer, connecting included.
    pub timeout: Duration,
    /// Hosts that the operator wrote as an address: that is what is meant, wherever it is.
    pub literals: Vec<String>,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            networks: Networks::default(),
            allow_http: false,
            ca_file: None,
            timeout: Duration::from_secs(5),
            literals: Vec::new(),
        }
    }
}

impl Reach {
    /// Notes a URL that the operator wrote.
    pub(super) fn note(&mut self, url: &ProviderUrl) {
        if url.is_literal() {
            self.literals.push(url.host().to_owned());
        }
    }

    /// Whether this URL may be asked in its scheme: https, or http where nothing leaves the machine or where the
    /// operator allows it.
    #[must_use]
    pub fn allows_scheme(&self, url: &ProviderUrl) -> bool {
        url.is_https()
            || self.allow_http
            || (url.is_loopback() && self.literals.iter().any(|host| host == url.host()))
    }

    /// Whether a host may be reached at this address, which is what its name resolved to.
    #[must_use]
    pub fn allows_address(&self, host: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // `localhost` that is not loopback is a trick; an address that was written is itself.
        let is_written = self.literals.iter().any(|literal| literal == host)
            && (host != "localhost" || address.is_loopback())
            && !is_link_local(address);
        is_written || self.networks.allows(address)
    }
}

/// The addresses providers may have. By default those of the public internet alone, so that no name and no document
/// can turn the gateway against what is near it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    allow_private: bool,
    ranges: Vec<Network>,
}

impl Networks {
    /// Whether a provider may have this address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.ranges.iter().any(|range| range.contains(address))
            || (self.allow_private && is_private(address))
            || is_public(address)
    }

    pub(super) fn add(&mut self, item: NetworkItem) {
        match item {
            NetworkItem::Private => self.allow_private = true,
            NetworkItem::Range(range) => self.ranges.push(range),
        }
    }
}

/// One item of the list `provider_networks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetworkItem {
    /// `private`.
    Private,
    /// A range, or one address.
    Range(Network),
}

impl NetworkItem {
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        if text == "private" {
            return Ok(Self::Private);
        }
        let hint = "write `private`, 10.0.0.0/8, fd00::/8 or an address";
        let flaw = || Flaw::hinted(format!("{} is not a network", Quoted(text)), hint);
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| flaw())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let is_number = bits.is_none_or(|bits| bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit()));
        let bits = bits.map_or(Ok(width), str::parse).ok().filter(|bits| is_number && *bits <= width);
        Ok(Self::Range(Network { address, bits: bits.ok_or_else(flaw)? }))
    }
}

/// A range of addresses (RFC 4632 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(a: u16, b: u16, bits: u32) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), bits }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differs = ours.to_bits() ^ theirs.to_bits();
                differs.leading_zeros() >= self.bits
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differs = ours.to_bits() ^ theirs.to_bits();
                differs.leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// RFC 1918, RFC 6598, RFC 4193 and loopback: where a provider of one's own may well be.
const PRIVATE: &[Network] = &[
    Network::v4(10, 0, 0, 0, 8),
    Network::v4(172, 16, 0, 0, 12),
    Network::v4(192, 168, 0, 0, 16),
    Network::v4(100, 64, 0, 0, 10),
    Network::v4(127, 0, 0, 0, 8),
    Network::v6(0xfc00, 0, 7),
    Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 },
];

/// Where clouds hand out credentials to whoever asks. Only a range that was written down reaches these.
const METADATA: &[Network] = &[
    Network::v4(169, 254, 0, 0, 16),
    Network::v4(100, 100, 100, 200, 32),
    Network::v4(168, 63, 129, 16, 32),
    Network { address: IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)), bits: 128 },
];

/// The special-purpose registries of IANA (RFC 6890), as far as they are not in `PRIVATE`.
const SPECIAL: &[Network] = &[
    Network::v4(0, 0, 0, 0, 8),
    Network::v4(192, 0, 0, 0, 24),
    Network::v4(192, 0, 2, 0, 24),
    Network::v4(192, 88, 99, 0, 24),
    Network::v4(198, 18, 0, 0, 15),
    Network::v4(198, 51, 100, 0, 24),
    Network::v4(203, 0, 113, 0, 24),
    Network::v4(224, 0, 0, 0, 3),
    Network::v6(0x2001, 0, 23),
    Network::v6(0x2001, 0x0db8, 32),
    Network::v6(0x2002, 0, 16),
    Network::v6(0x3fff, 0, 20),
];

/// The only part of IPv6 that is given out as global unicast.
const GLOBAL: Network = Network::v6(0x2000, 0, 3);

fn is_in(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

fn is_link_local(address: IpAddr) -> bool {
    is_in(METADATA, address) || Network::v6(0xfe80, 0, 10).contains(address)
}

fn is_private(address: IpAddr) -> bool {
    is_in(PRIVATE, address) && !is_in(METADATA, address)
}

pub(super) fn is_public(address: IpAddr) -> bool {
    let is_global = address.is_ipv4() || GLOBAL.contains(address);
    is_global && ![PRIVATE, METADATA, SPECIAL].into_iter().any(|networks| is_in(networks, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = ProviderUrl::read("https://IdP.example.com:8443/a/b%20c?p=x&q").unwrap();
        assert_eq!((url.host(), url.port(), url.target()), ("idp.example.com", 8443, "/a/b%20c?p=x&q"));
        assert_eq!(url.authority(), "idp.example.com:8443");
        let url = ProviderUrl::read("http://[::1]").unwrap();
        assert_eq!((url.host(), url.port(), url.target(), url.authority().as_str()), ("::1", 80, "/", "[::1]"));
        assert_eq!(ProviderUrl::read("https://a:443?x").unwrap().authority(), "a");
        assert_eq!(url.at("/x").unwrap().as_str(), "http://[::1]/x");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_url() {
        for text in [
            "",
            "idp.example.com",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://u@a/",
            "https://u:p@a/",
            "https://a:0/",
            "https://a:99999/",
            "https://a/#f",
            "https://a\\b/",
            "https://a/\\b",
            "https://a/ b",
            "https://a/\n",
            "https://a b/",
            "file:///etc/passwd",
            "https://a/\u{e9}",
            "https://a/<",
            "https://[::1",
            "unix:/a",
        ] {
            assert_eq!(ProviderUrl::read(text), None, "{text:?}");
        }
        assert_eq!(ProviderUrl::read(&format!("https://a/{}", "x".repeat(3000))), None);
    }

    #[track_caller]
    fn check(items: &[&str], allowed: &[&str], refused: &[&str]) {
        let mut networks = Networks::default();
        items.iter().for_each(|item| networks.add(NetworkItem::parse(item).unwrap()));
        for address in allowed {
            assert!(networks.allows(address.parse().unwrap()), "{items:?} {address}");
        }
        for address in refused {
            assert!(!networks.allows(address.parse().unwrap()), "{items:?} {address}");
        }
    }

    const METADATA: &[&str] =
        &["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "::ffff:169.254.169.254"];

    #[test]
    fn only_public_addresses_are_allowed_unless_it_is_said() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
            "fc00::1",
            "::ffff:10.0.0.1",
        ];
        let never = [
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "ff02::1",
            "fe80::1",
            "::",
            "192.0.2.1",
            "198.18.0.1",
            "2001:db8::1",
            "2002:a00:1::",
            "64:ff9b::a00:1",
            "2001::1",
            "::10.0.0.1",
        ];
        let public =
            ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "223.255.255.255"];
        check(&[], &public, &private);
        check(&[], &[], &never);
        check(&[], &[], METADATA);
        check(&["private"], &public, &never);
        check(&["private"], &private, METADATA);
    }

    #[test]
    fn a_range_allows_itself_and_nothing_beside_it() {
        check(&["10.1.0.0/16"], &["10.1.255.255"], &["10.2.0.0", "127.0.0.1"]);
        check(&["127.0.0.1"], &["127.0.0.1", "::ffff:127.0.0.1"], &["127.0.0.2", "::1"]);
        check(&["fd00::/8"], &["fdff::1"], &["fc00::1"]);
        check(&["0.0.0.0/0"], &["10.0.0.1", "169.254.169.254"], &["::1"]);
        check(&["169.254.169.254/32"], &["169.254.169.254"], &["169.254.169.253"]);
        for bad in
            ["", "Private", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "::/129", "a/8", "10.0.0.0/8/8"]
        {
            assert!(NetworkItem::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_the_operator_wrote_is_meant() {
        let mut reach = Reach::default();
        for url in ["http://127.0.0.1:7000/verify", "http://localhost/", "https://169.254.169.254/", "https://idp/"]
        {
            reach.note(&ProviderUrl::read(url).unwrap());
        }
        let allows = |host: &str, address: &str| reach.allows_address(host, address.parse().unwrap());
        assert!(allows("127.0.0.1", "127.0.0.1") && allows("localhost", "::1"));
        assert!(!allows("localhost", "10.0.0.1"), "a name server's idea of localhost");
        assert!(!allows("evil.example", "127.0.0.1"), "another name for the same place");
        assert!(!allows("169.254.169.254", "169.254.169.254"));
        assert!(!allows("idp", "10.0.0.1"));
        let scheme = |url: &str| reach.allows_scheme(&ProviderUrl::read(url).unwrap());
        assert!(scheme("https://a/") && scheme("http://127.0.0.1/x") && scheme("http://localhost:1/"));
        assert!(!scheme("http://a/") && !scheme("http://127.0.0.2/") && !scheme("http://169.254.169.254/"));
    }
}
