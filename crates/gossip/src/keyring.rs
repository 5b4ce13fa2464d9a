//! The keys of an encrypted pool. The first encrypts; any of them decrypts, so that keys can be changed while the pool
//! runs. Sealed bytes are: version, nonce, ciphertext with its tag; in streams a head with the length is authenticated
//! too.

use crate::limits::KEYS_MAX;
use crate::wire::WireError;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

type Aes192Gcm = AesGcm<Aes192, U12>;

/// Bytes that sealing adds: version, nonce and tag.
pub(crate) const SEAL_OVERHEAD: usize = 1 + NONCE + TAG;
const NONCE: usize = 12;
const TAG: usize = 16;
/// The version with padding, which the oldest agents write and we only read.
const VERSION_PADDED: u8 = 0;
/// The version that all others write.
const VERSION: u8 = 1;

/// Why a change of the keys was refused, in the words of HashiCorp's agents. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// AES has keys of three sizes.
    #[error("key size must be 16, 24 or 32 bytes")]
    Size,
    /// Only a key of the ring can become the first.
    #[error("Requested key is not in the keyring")]
    Unknown,
    /// What encrypts cannot be taken away.
    #[error("Removing the primary key is not allowed")]
    Primary,
    /// Each key is tried on each packet, so their number is limited.
    #[error("the keyring is full ({KEYS_MAX} keys); remove a key first")]
    Full,
    /// A ring without keys encrypts nothing.
    #[error("a keyring needs at least one key")]
    Empty,
}

/// The keys, and the random numbers that encryption needs.
pub struct Keyring {
    keys: Vec<Key>,
    nonces: StdRng,
}

struct Key {
    bytes: Vec<u8>,
    cipher: Cipher,
}

enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<Aes192Gcm>),
    Aes256(Box<Aes256Gcm>),
}

/// Keys are secrets: none is shown.
impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl Key {
    fn new(bytes: &[u8]) -> Result<Key, KeyError> {
        let size = |_| KeyError::Size;
        let cipher = match bytes.len() {
            16 => Cipher::Aes128(Box::new(Aes128Gcm::new_from_slice(bytes).map_err(size)?)),
            24 => Cipher::Aes192(Box::new(Aes192Gcm::new_from_slice(bytes).map_err(size)?)),
            32 => Cipher::Aes256(Box::new(Aes256Gcm::new_from_slice(bytes).map_err(size)?)),
            _ => return Err(KeyError::Size),
        };
        Ok(Key { bytes: bytes.to_vec(), cipher })
    }

    /// Encrypts in place; gives the tag. `None` only for more bytes than any message has.
    fn seal(&self, nonce: &[u8; NONCE], head: &[u8], plain: &mut [u8]) -> Option<[u8; TAG]> {
        let nonce = nonce.into();
        let tag = match &self.cipher {
            Cipher::Aes128(cipher) => cipher.encrypt_in_place_detached(nonce, head, plain),
            Cipher::Aes192(cipher) => cipher.encrypt_in_place_detached(nonce, head, plain),
            Cipher::Aes256(cipher) => cipher.encrypt_in_place_detached(nonce, head, plain),
        };
        tag.ok().map(Into::into)
    }

    fn open(&self, nonce: &[u8; NONCE], head: &[u8], sealed: &mut [u8], tag: &[u8; TAG]) -> bool {
        let (nonce, tag) = (nonce.into(), tag.into());
        match &self.cipher {
            Cipher::Aes128(cipher) => cipher.decrypt_in_place_detached(nonce, head, sealed, tag),
            Cipher::Aes192(cipher) => cipher.decrypt_in_place_detached(nonce, head, sealed, tag),
            Cipher::Aes256(cipher) => cipher.decrypt_in_place_detached(nonce, head, sealed, tag),
        }
        .is_ok()
    }
}

impl Keyring {
    /// A ring of these keys, the first encrypts. `seed` must come from the system's randomness and be used once.
    pub fn new(keys: &[Vec<u8>], seed: [u8; 32]) -> Result<Keyring, KeyError> {
        let mut ring = Keyring { keys: Vec::new(), nonces: StdRng::from_seed(seed) };
        for key in keys {
            ring.install(key)?;
        }
        if ring.keys.is_empty() { Err(KeyError::Empty) } else { Ok(ring) }
    }

    /// All keys, the one that encrypts first.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.keys.iter().map(|key| key.bytes.clone()).collect()
    }

    /// Adds a key that decrypts. A key that is there already stays where it is.
    pub fn install(&mut self, key: &[u8]) -> Result<(), KeyError> {
        let key = Key::new(key)?;
        if self.keys.iter().any(|known| known.bytes == key.bytes) {
            return Ok(());
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(KeyError::Full);
        }
        self.keys.push(key);
        Ok(())
    }

    /// Encrypts with this key from now on.
    pub fn make_primary(&mut self, key: &[u8]) -> Result<(), KeyError> {
        let place = self.keys.iter().position(|known| known.bytes == key).ok_or(KeyError::Unknown)?;
        let key = self.keys.remove(place);
        self.keys.insert(0, key);
        Ok(())
    }

    /// Takes a key away; one that is not there is gone already.
    pub fn remove(&mut self, key: &[u8]) -> Result<(), KeyError> {
        if self.keys.first().is_some_and(|first| first.bytes == key) {
            return Err(KeyError::Primary);
        }
        self.keys.retain(|known| known.bytes != key);
        Ok(())
    }

    /// Encrypts; `head` is authenticated and not included.
    pub(crate) fn seal(&mut self, head: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        self.nonces.fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD);
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let key = self.keys.first().expect("a ring has a key: new() wants one and remove() keeps the first");
        let tag = key.seal(&nonce, head, &mut sealed[1 + NONCE..]).expect("messages are far below 64 GB");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Decrypts with whichever key fits.
    pub(crate) fn open(&self, head: &[u8], sealed: &[u8]) -> Result<Vec<u8>, WireError> {
        let (&version, rest) = sealed.split_first().ok_or(WireError::Truncated)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(WireError::Truncated)?;
        let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(WireError::Truncated)?;
        if version > VERSION {
            return Err(WireError::Undecipherable);
        }
        let mut plain = body.to_vec();
        for key in &self.keys {
            if key.open(nonce, head, &mut plain, tag) {
                if version == VERSION_PADDED {
                    let padding = plain.last().map_or(0, |byte| usize::from(*byte));
                    let len = plain.len().checked_sub(padding).ok_or(WireError::Undecipherable)?;
                    plain.truncate(len);
                }
                return Ok(plain);
            }
            // A failed attempt leaves the bytes changed.
            plain.copy_from_slice(body);
        }
        Err(WireError::Undecipherable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[&[u8]]) -> Keyring {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
        Keyring::new(&keys, [7; 32]).unwrap()
    }

    #[test]
    fn any_key_of_the_ring_opens_and_no_other() {
        for size in [16, 24, 32] {
            let (old, new) = (vec![1; size], vec![2; size]);
            let mut writer = ring(&[&new]);
            let sealed = writer.seal(b"head", b"secret");
            assert_eq!(sealed.len(), b"secret".len() + SEAL_OVERHEAD);
            assert_ne!(sealed, writer.seal(b"head", b"secret"), "nonces differ");
            assert_eq!(ring(&[&old, &new]).open(b"head", &sealed), Ok(b"secret".to_vec()));
            assert_eq!(ring(&[&old]).open(b"head", &sealed), Err(WireError::Undecipherable));
            assert_eq!(writer.open(b"tail", &sealed), Err(WireError::Undecipherable));
            for end in 0..sealed.len() {
                assert!(writer.open(b"head", &sealed[..end]).is_err());
            }
            for at in 0..sealed.len() {
                let mut broken = sealed.clone();
                broken[at] ^= 0x40;
                assert!(writer.open(b"head", &broken).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn keys_are_changed_by_the_rules() {
        let (a, b) = ([1; 16], [2; 32]);
        let mut ring = ring(&[&a]);
        assert_eq!(ring.install(&[0; 15]), Err(KeyError::Size));
        assert_eq!(ring.make_primary(&b), Err(KeyError::Unknown));
        ring.install(&b).unwrap();
        ring.install(&b).unwrap();
        assert_eq!(ring.keys(), [a.to_vec(), b.to_vec()]);
        ring.make_primary(&b).unwrap();
        assert_eq!(ring.remove(&b), Err(KeyError::Primary));
        ring.remove(&a).unwrap();
        ring.remove(&a).unwrap();
        assert_eq!(ring.keys(), [b.to_vec()]);
        for byte in 3..KEYS_MAX as u8 + 2 {
            ring.install(&[byte; 16]).unwrap();
        }
        assert_eq!(ring.install(&a), Err(KeyError::Full));
        assert_eq!(Keyring::new(&[], [0; 32]).err(), Some(KeyError::Empty));
    }
}
