//! Addresses and networks: `cidr("10.0.0.0/8").containsIP(request.client_address)`, as Kubernetes' CEL has it.

use core::net::IpAddr;

/// A network: an address, and how many bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    /// The network written as `10.0.0.0/8`, with no bit behind the prefix set.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let is_plain = !bits.is_empty()
            && bits.bytes().all(|digit| digit.is_ascii_digit())
            && (bits == "0" || !bits.starts_with('0'));
        let (base, bits): (IpAddr, u32) = (base.parse().ok()?, bits.parse().ok().filter(|_| is_plain)?);
        let network = Self { base, bits };
        let (value, width) = value(base);
        (bits <= width && network.prefix(value, width) == value).then_some(network)
    }

    /// Whether the address is in this network. An IPv4 address mapped into IPv6 is an IPv4 address.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        let ((base, width), (address, other)) = (value(self.base), value(address.to_canonical()));
        width == other && self.prefix(address, width) == base
    }

    fn prefix(self, value: u128, width: u32) -> u128 {
        let hidden = width.saturating_sub(self.bits);
        value.checked_shr(hidden).and_then(|kept| kept.checked_shl(hidden)).unwrap_or(0)
    }
}

/// The address as a number, and its width in bits.
fn value(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

/// The address in `text`, which may have a port: `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]:80`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<core::net::SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.168.1.1/32", "192.168.1.1", "192.168.1.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "::1", "10.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("10.0.0.0/8", "10.0.0.1:8080", "[::1]:8080"),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert!(parsed.contains(address(inside).unwrap()), "{network} {inside}");
            assert!(!parsed.contains(address(outside).unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "x/8",
            "::1/64",
            "010.0.0.0/8",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
