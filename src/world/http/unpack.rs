//! What `Content-Encoding` did to a body is undone.

use std::borrow::Cow;
use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// What a service may do to a body, as a request says it.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// How much more than what is kept is unpacked, only to know the length of the body: a small answer may unpack to terabytes.
const COUNTED: u64 = 16;

/// A body that was unpacked.
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
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(body), max),
        // "deflate" is the zlib format (RFC 9110, 8.4.1.2), but some servers send the bare data.
        "deflate" if is_zlib(body) => read(ZlibDecoder::new(body), max),
        "deflate" => read(DeflateDecoder::new(body), max),
        "br" => read(Decompressor::new(body, 4096), max),
        "zstd" => StreamingDecoder::new(body)
            .map_err(io::Error::other)
            .and_then(|reader| read(reader, max)),
        _ => return None,
    })
}

/// Whether it begins as RFC 1950, 2.2 says.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

fn read(reader: impl Read, max: usize) -> io::Result<Unpacked> {
    let max = max as u64;
    let mut reader = reader.take(max.saturating_mul(COUNTED));
    let mut kept = Vec::new();
    reader.by_ref().take(max).read_to_end(&mut kept)?;
    let more = io::copy(&mut reader, &mut io::sink())?;
    Ok(Unpacked {
        length: kept.len() as u64 + more,
        kept,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

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
        let zstd =
            ruzstd::encoding::compress_to_vec(TEXT, ruzstd::encoding::CompressionLevel::Fastest);
        for (encoding, body) in [
            ("gzip", gzip(TEXT)),
            ("X-Gzip", gzip(TEXT)),
            ("deflate", zlib),
            ("deflate", bare.clone()),
            ("br", brotli),
            ("zstd", zstd),
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
