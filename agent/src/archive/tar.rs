//! Just enough tar: headers of plain files, written in the form of POSIX 1988 and read in that of Go's writer.

use super::{ArchiveError, content};

/// Bytes of a block; a header is one, and content is filled up to whole ones.
pub(super) const BLOCK: usize = 512;

/// One file in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) size: u64,
}

impl Entry {
    /// The header of a file that only its owner may read; `now` in seconds since 1970.
    pub(super) fn header(&self, now: u64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put(&mut block[0..100], self.name.as_bytes());
        put(&mut block[100..108], b"0000600\0");
        put(&mut block[108..116], b"0000000\0");
        put(&mut block[116..124], b"0000000\0");
        put_number(&mut block[124..136], self.size);
        put_number(&mut block[136..148], now);
        put(&mut block[148..156], b"        ");
        block[156] = b'0';
        put(&mut block[257..265], b"ustar\x0000");
        let sum = checksum(&block);
        put(&mut block[148..156], format!("{sum:06o}\0 ").as_bytes());
        block
    }

    /// Reads a header; `None` for the block of zeros that ends the archive.
    pub(super) fn read(block: &[u8; BLOCK]) -> Result<Option<Self>, ArchiveError> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let mut plain = *block;
        plain[148..156].fill(b' ');
        if number(&block[148..156]) != Some(u64::from(checksum(&plain))) {
            return Err(content("failed reading snapshot: archive/tar: invalid tar header"));
        }
        let end = block[..100].iter().position(|byte| *byte == 0).unwrap_or(100);
        let name = String::from_utf8_lossy(&block[..end]).into_owned();
        let is_plain = matches!(block[156], b'0' | 0);
        let size = number(&block[124..136]).filter(|_| is_plain && block[345] == 0);
        // Links, folders, devices and extended headers have no place here, whatever they are called.
        size.map(|size| Some(Self { name: name.clone(), size }))
            .ok_or_else(|| content(format!("unexpected file {name:?} in snapshot")))
    }

    /// Bytes that fill the content up to whole blocks.
    pub(super) fn padding(&self) -> u64 {
        (BLOCK as u64 - self.size % BLOCK as u64) % BLOCK as u64
    }
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Octal; what is too large for eleven digits in the binary form that GNU tar began.
fn put_number(field: &mut [u8], number: u64) {
    if number < 1 << 33 {
        put(field, format!("{number:011o}\0").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..12].copy_from_slice(&number.to_be_bytes());
    }
}

fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        // A field of eight bytes, as the checksum, has no room for the binary form.
        let (high, low) = field.split_at_checked(field.len().checked_sub(8)?)?;
        let is_small = matches!(high, [0x80, zeros @ ..] if zeros.iter().all(|byte| *byte == 0));
        return is_small.then(|| low.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    u64::from_str_radix(text, 8).ok()
}

fn checksum(block: &[u8; BLOCK]) -> u32 {
    block.iter().map(|byte| u32::from(*byte)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        for size in [0, 1, 511, 512, (1 << 33) - 1, 1 << 33, u64::MAX] {
            let entry = Entry { name: "state.bin".to_owned(), size };
            assert_eq!(Entry::read(&entry.header(1_795_375_637)).unwrap(), Some(entry));
        }
        assert_eq!(Entry { name: String::new(), size: 513 }.padding(), 511);
        assert_eq!(Entry::read(&[0; BLOCK]).unwrap(), None);
        assert!(Entry::read(&[7; BLOCK]).is_err());
    }

    #[test]
    fn links_are_refused() {
        let mut block = Entry { name: "lnk".to_owned(), size: 0 }.header(0);
        block[156] = b'2';
        block[148..156].fill(b' ');
        let sum = checksum(&block);
        put(&mut block[148..156], format!("{sum:06o}\0 ").as_bytes());
        let error = Entry::read(&block).unwrap_err().to_string();
        assert_eq!(error, "failed to read snapshot file: unexpected file \"lnk\" in snapshot");
    }
}
