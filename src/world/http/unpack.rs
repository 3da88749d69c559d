//! What `Content-Encoding` did to a body is undone.

use std::borrow::Cow;
use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// What a service may do to a body, as a request says it.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// How much more than what is kept is unpacked, only to know the length of the body: a small answer may unpack to terabytes.
const COUNTED: u64 = 16;

/// A body that was unpacked.
#[derive(Default)]
pub(super) struct Unpacked {
    /// The first bytes of it.
    pub(super) kept: Vec<u8>,
    /// How many bytes there are.
    pub(super) length: u64,
}

/// Undoes the encodings of a body, the last one first, and keeps so many bytes. `None` where there is nothing to undo, or something
/// that is not known. An error says which encoding is malformed, and how.
pub(super) fn unpack(encodings: &str, body: &[u8], max: usize) -> Result<Option<Unpacked>, String> {
    let mut encodings: Vec<String> = encodings
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !matches!(name.as_str(), "" | "identity"))
        .collect();
    if body.is_empty() || encodings.is_empty() {
        return Ok(None);
    }
    let Some(first) = encodings.first().cloned() else {
        return Ok(None);
    };
    let mut body = Cow::Borrowed(body);
    while let Some(encoding) = encodings.pop() {
        let Some(unpacked) = one(&encoding, &body, max) else {
            return Ok(None);
        };
        let unpacked = unpacked.map_err(|error| format!("the body is no {encoding}: {error}"))?;
        if encodings.is_empty() {
            return Ok(Some(unpacked));
        }
        body = Cow::Owned(unpacked.kept);
    }
    Err(format!("the body is no {first}"))
}

fn one(encoding: &str, body: &[u8], max: usize) -> Option<io::Result<Unpacked>> {
    Some(match encoding {
        "gzip" | "x-gzip" => gzip(body, max),
        // "deflate" is the zlib format (RFC 9110, 8.4.1.2), but some servers send the bare data.
        "deflate" if is_zlib(body) => read(ZlibDecoder::new(body), max),
        "deflate" => read(DeflateDecoder::new(body), max),
        "br" => read(Decompressor::new(body, 4096), max),
        "zstd" => zstd(body, max),
        _ => return None,
    })
}

/// Whether it begins as RFC 1950, 2.2 says.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// The members of a gzip file (RFC 1952, 2.2). What follows them and is none, zeros for one, is ignored, as browsers do.
fn gzip(mut body: &[u8], max: usize) -> io::Result<Unpacked> {
    let mut unpacked = Unpacked::default();
    loop {
        let mut member = GzDecoder::new(body);
        if !unpacked.add(&mut member, max)? {
            return Ok(unpacked);
        }
        body = member.into_inner();
        if !body.starts_with(&[0x1f, 0x8b]) {
            return Ok(unpacked);
        }
    }
}

/// The frames of a zstd body (RFC 8878, 3.1).
fn zstd(mut body: &[u8], max: usize) -> io::Result<Unpacked> {
    let mut unpacked = Unpacked::default();
    while !body.is_empty() {
        let frame = StreamingDecoder::new(&mut body).map_err(io::Error::other)?;
        if !unpacked.add(frame, max)? {
            break;
        }
    }
    Ok(unpacked)
}

fn read(reader: impl Read, max: usize) -> io::Result<Unpacked> {
    let mut unpacked = Unpacked::default();
    unpacked.add(reader, max)?;
    Ok(unpacked)
}

impl Unpacked {
    /// Reads to the end. Whether more may follow: not where there is far too much already.
    fn add(&mut self, mut reader: impl Read, max: usize) -> io::Result<bool> {
        let max = max as u64;
        let room = max - self.kept.len() as u64;
        let kept = reader.by_ref().take(room).read_to_end(&mut self.kept)? as u64;
        let rest = max
            .saturating_mul(COUNTED)
            .saturating_sub(self.length + kept);
        let more = io::copy(&mut reader.take(rest), &mut io::sink())?;
        self.length += kept + more;
        Ok(more < rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::unpack;

    const TEXT: &[u8] = br#"{"id": 7}"#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_encoding_that_is_asked_for_is_undone() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(TEXT).unwrap();
        let bare = bare.finish().unwrap();
        // As `brotli` and `zstd` write it.
        let brotli = [&[0x0b, 0x04, 0x80][..], TEXT, &[0x03]].concat();
        let zstd = |bytes: &[u8]| {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        };
        for (encoding, body) in [
            ("gzip", gzip(TEXT)),
            ("X-Gzip", gzip(TEXT)),
            (
                "gzip",
                [gzip(&TEXT[..4]), gzip(&TEXT[4..]), vec![0; 9]].concat(),
            ),
            ("zstd", [zstd(&TEXT[..4]), zstd(&TEXT[4..])].concat()),
            ("deflate", zlib),
            ("deflate", bare.clone()),
            ("br", brotli),
            ("zstd", zstd(TEXT)),
            ("deflate, identity, gzip", gzip(&bare)),
        ] {
            let unpacked = unpack(encoding, &body, 100).unwrap().unwrap();
            assert_eq!(unpacked.kept, TEXT, "{encoding}");
            assert_eq!(unpacked.length, TEXT.len() as u64);
        }
        assert!(unpack("identity", TEXT, 100).unwrap().is_none());
        assert!(unpack("compress", TEXT, 100).unwrap().is_none());
        assert!(unpack("gzip", b"", 100).unwrap().is_none());
    }

    #[test]
    fn what_is_malformed_is_named_and_what_unpacks_to_too_much_is_cut() {
        let broken = unpack("gzip", b"not gzip at all", 100).err().unwrap();
        assert!(broken.starts_with("the body is no gzip: "), "{broken}");
        let short = gzip(TEXT);
        assert!(unpack("gzip", &short[..short.len() - 4], 100).is_err());
        let zeros = unpack("gzip", &gzip(&vec![0; 100_000]), 1_000)
            .unwrap()
            .unwrap();
        assert_eq!((zeros.kept.len(), zeros.length), (1_000, 16_000));
    }
}
