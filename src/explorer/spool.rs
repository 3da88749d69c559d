//! Pieces of data that are written once and seldom read, kept out of memory.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU64;

/// Pieces of data in a temporary file. The file has no name: nobody else can open it, and it is gone with the process, however
/// that ends. What was added last is still in memory, so that few pieces make no file at all.
#[derive(Debug, Default)]
pub(super) struct Spool {
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    /// What comes behind the end of the file.
    tail: Vec<u8>,
    has_failed: bool,
}

/// Where a piece begins, from 1: so an optional place takes no more room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(NonZeroU64);

impl Spool {
    /// Bytes that stay in memory.
    const TAIL: usize = 1 << 20;

    /// Adds a piece. An error is returned once, and says why nothing can be written; from then on everything stays in memory.
    pub(super) fn add(&mut self, piece: &[u8]) -> (Place, io::Result<()>) {
        let place = NonZeroU64::MIN.saturating_add(self.written + self.tail.len() as u64);
        let place = Place(place);
        let length = piece.len() as u64;
        self.tail.extend_from_slice(&length.to_le_bytes());
        self.tail.extend_from_slice(piece);
        if self.has_failed || self.tail.len() < Self::TAIL {
            return (place, Ok(()));
        }
        let written = self.write_tail();
        self.has_failed = written.is_err();
        (place, written)
    }

    fn write_tail(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.written))?;
        file.write_all(&self.tail).inspect_err(|_| {
            // Where the disk is full, others need the room. That this fails as well changes nothing for us.
            let _ = file.set_len(self.written);
        })?;
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// The piece that begins there.
    pub(super) fn read(&self, Place(place): Place) -> io::Result<Vec<u8>> {
        let place = place.get() - 1;
        match (&self.file, place.checked_sub(self.written)) {
            (Some(file), None) => {
                let mut file = file;
                file.seek(SeekFrom::Start(place))?;
                read_piece(file)
            }
            (_, behind) => read_piece(&self.tail[behind.unwrap_or_default() as usize..]),
        }
    }
}

fn read_piece(mut from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let mut piece = vec![0; u64::from_le_bytes(length) as usize];
    from.read_exact(&mut piece)?;
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(number: u32) -> Vec<u8> {
        number.to_le_bytes().repeat(number as usize % 700)
    }

    #[test]
    fn every_piece_is_read_as_it_was_added_from_file_and_memory() {
        let mut spool = Spool::default();
        let places: Vec<Place> = (0..3_000)
            .map(|number| {
                let (place, written) = spool.add(&piece(number));
                written.unwrap();
                place
            })
            .collect();
        assert!(spool.written > 2 * Spool::TAIL as u64 && !spool.tail.is_empty());
        assert!(spool.tail.len() < Spool::TAIL);
        for (number, place) in (0..).zip(places) {
            assert_eq!(spool.read(place).unwrap(), piece(number));
        }
    }

    #[test]
    fn what_cannot_be_written_stays_in_memory_and_is_said_once() {
        let mut spool = Spool {
            // Writing to it fails.
            file: Some(File::open("Cargo.toml").unwrap()),
            ..Spool::default()
        };
        let mut errors = 0;
        let places: Vec<Place> = (0..3_000)
            .map(|number| {
                let (place, written) = spool.add(&piece(number));
                errors += u32::from(written.is_err());
                place
            })
            .collect();
        assert_eq!((errors, spool.written), (1, 0));
        for (number, place) in (0..).zip(places) {
            assert_eq!(spool.read(place).unwrap(), piece(number));
        }
    }

    #[test]
    fn few_pieces_make_no_file() {
        let mut spool = Spool::default();
        let (place, written) = spool.add(b"one");
        written.unwrap();
        assert!(spool.file.is_none());
        assert_eq!(spool.read(place).unwrap(), b"one");
    }
}
