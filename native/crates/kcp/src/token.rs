//! What a listener gives out so that it need remember nothing: Retry tokens, which prove an address, and reset tokens,
//! which prove that the link was the listener's own.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use crate::Random;
use crate::packet::{Id, TAG};

/// How long a token is good for; a dialler answers at once.
const LIFETIME: Duration = Duration::from_secs(15);
/// Nonce, first id, time and tag.
const BYTES: usize = NONCE_LEN + 8 + 8 + TAG;

pub(crate) struct TokenKey(LessSafeKey);

impl TokenKey {
    /// A key of this process alone.
    pub(crate) fn new(random: &Random) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, &random.bytes::<32>()).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// A token for whoever sent his first packet to `first`; `retry`: where he is to send the next.
    pub(crate) fn make(&self, random: &Random, first: Id, retry: Id, remote: SocketAddr) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = random.bytes();
        let mut body = first.0.to_vec();
        body.extend_from_slice(&seconds().to_be_bytes());
        let aad = Aad::from(context(retry, remote));
        self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body).ok()?;
        let mut token = nonce.to_vec();
        token.append(&mut body);
        Some(token)
    }

    /// The first id, if the token is of ours, for this address, and fresh.
    pub(crate) fn check(&self, token: &[u8], retry: Id, remote: SocketAddr) -> Option<Id> {
        if token.len() != BYTES {
            return None;
        }
        let (nonce, sealed) = token.split_at(NONCE_LEN);
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let body = self.0.open_in_place(nonce, Aad::from(context(retry, remote)), &mut sealed).ok()?;
        let first = Id(body.get(..8)?.try_into().ok()?);
        let made = u64::from_be_bytes(body.get(8..)?.try_into().ok()?);
        (seconds().saturating_sub(made) <= LIFETIME.as_secs()).then_some(first)
    }
}

fn context(retry: Id, remote: SocketAddr) -> Vec<u8> {
    let mut bytes = retry.0.to_vec();
    match remote.ip().to_canonical() {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    }
    bytes.extend_from_slice(&remote.port().to_be_bytes());
    bytes
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// ---- reset ----

/// secret: lives as long as the listener's identity, so that a reset works after a restart.
pub(crate) struct ResetKey(hmac::Key);

impl ResetKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        // Not the secret itself: it has other uses.
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"petrel-kcp reset");
        Self(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    pub(crate) fn token(&self, id: Id) -> [u8; 16] {
        let mut token = [0; 16];
        token.copy_from_slice(&hmac::sign(&self.0, &id.0).as_ref()[..16]);
        token
    }
}

// ---- Retry ----

/// Appends the tag that shows that a Retry's sender has seen the packet to `first`. No secret: who knows the id can make
/// it, as in RFC 9001 §5.8.
pub(crate) fn seal_retry(first: Id, packet: &mut Vec<u8>) {
    let tag = retry_tag(first, packet);
    packet.extend_from_slice(&tag);
}

pub(crate) fn is_retry_for(first: Id, packet: &[u8]) -> bool {
    let Some((packet, tag)) = packet.split_at_checked(packet.len().saturating_sub(TAG)) else { return false };
    is_same(&retry_tag(first, packet), tag)
}

fn retry_tag(first: Id, packet: &[u8]) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &first.0));
    context.update(b"petrel-kcp/1 retry");
    context.update(packet);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
    tag
}

/// Takes the same time wherever they differ.
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_address_and_id_only() {
        let random = Random::new();
        let key = TokenKey::new(&random).expect("a key");
        let (first, retry, remote) = (Id([1; 8]), Id([2; 8]), SocketAddr::from(([127, 0, 0, 1], 9)));
        let token = key.make(&random, first, retry, remote).expect("a token");
        assert_eq!(key.check(&token, retry, remote), Some(first));
        assert_eq!(key.check(&token, first, remote), None);
        assert_eq!(key.check(&token, retry, SocketAddr::from(([127, 0, 0, 1], 10))), None);
        for at in 0..token.len() {
            let mut forged = token.clone();
            forged[at] ^= 1;
            assert_eq!(key.check(&forged, retry, remote), None, "byte {at}");
        }
        let other = TokenKey::new(&random).expect("a key");
        assert_eq!(other.check(&token, retry, remote), None);
    }

    #[test]
    fn a_retry_is_believed_by_whom_it_answers() {
        let mut packet = b"a retry".to_vec();
        seal_retry(Id([1; 8]), &mut packet);
        assert!(is_retry_for(Id([1; 8]), &packet));
        assert!(!is_retry_for(Id([2; 8]), &packet));
        packet[0] ^= 1;
        assert!(!is_retry_for(Id([1; 8]), &packet));
        assert!(!is_retry_for(Id([1; 8]), b"short"));
    }
}
