//! One file of the journal.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::codec::{self, ENTRY_HEADER_BYTES};
use super::{Change, OpenError};

/// First bytes of each file.
const MAGIC: [u8; 8] = *b"MILLRACE";

/// Version of the format of headers and entries.
const FORMAT: u16 = 1;

/// Header flag: what older segments hold is dead.
const BEGINS_ANEW: u16 = 1;

/// Magic, format, flags, four bytes of zeros.
pub(super) const HEADER_BYTES: u64 = 16;

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    number: u64,
    len: u64,
}

impl Segment {
    /// Creates an empty segment.
    pub(super) fn create(dir: &Path, number: u64, begins_anew: bool) -> io::Result<Self> {
        let file = File::options()
            .create_new(true)
            .write(true)
            .open(path(dir, number))?;
        if let Err(error) = file.write_all_at(&header(begins_anew), 0) {
            let _ = fs::remove_file(path(dir, number));
            return Err(error);
        }
        File::open(dir)?.sync_all()?;
        Ok(Self {
            file,
            number,
            len: HEADER_BYTES,
        })
    }

    /// Reads a segment from its begin. In the last one a torn tail is cut; elsewhere damage is an
    /// error, for a crash only ever tears the end.
    pub(super) fn replay(
        dir: &Path,
        number: u64,
        is_last: bool,
        on_change: &mut impl FnMut(Change),
    ) -> Result<Self, OpenError> {
        let path = path(dir, number);
        let open = File::options().read(true).write(true).open(&path);
        let file = open.map_err(OpenError::io("open", &path))?;
        let file_len = file
            .metadata()
            .map_err(OpenError::io("read the size of", &path))?
            .len();
        if is_last && file_len < HEADER_BYTES {
            // Created, and the process ended before the header was written. Whether it begins anew
            // makes no difference: a rewritten segment has its name only once it is complete.
            tracing::warn!(file = %path.display(), "journal segment without a header begun again");
            file.set_len(0).map_err(OpenError::io("cut", &path))?;
            file.write_all_at(&header(false), 0)
                .map_err(OpenError::io("write", &path))?;
            return Ok(Self {
                file,
                number,
                len: HEADER_BYTES,
            });
        }
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        read_header(&mut reader, &path)?;
        let mut position = HEADER_BYTES;
        let mut payload = Vec::new();
        let damage = loop {
            match read_entry(&mut reader, file_len - position, &mut payload, &path)? {
                Ok(Some(change)) => {
                    position += (ENTRY_HEADER_BYTES + payload.len()) as u64;
                    on_change(change);
                }
                Ok(None) => break None,
                Err(reason) => break Some(reason),
            }
        };
        match damage {
            Some(reason) if !is_last || reason == codec::UNREADABLE => {
                return Err(OpenError::Corrupt {
                    path,
                    position,
                    reason,
                });
            }
            Some(reason) => {
                let cut_bytes = file_len - position;
                tracing::warn!(
                    file = %path.display(), position, cut_bytes, reason, "torn tail of the journal cut"
                );
                file.set_len(position)
                    .map_err(OpenError::io("cut", &path))?;
            }
            None => {}
        }
        Ok(Self {
            file,
            number,
            len: position,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes written, header included.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Writes at the end. After an error the segment ends where it ended before; what a partial
    /// write left behind is cut, or overwritten by the next one.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(bytes, self.len) {
            let _ = self.file.set_len(self.len);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Puts another file in place of the segment's, such as one that is always full.
    #[cfg(test)]
    pub(super) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

/// Numbers of all segments, rising. Leftovers of a rewriting that did not finish are removed.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, OpenError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(OpenError::io("list", dir))? {
        let entry = entry.map_err(OpenError::io("list", dir))?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix("journal-")) else {
            continue;
        };
        if name.ends_with(".tmp") {
            fs::remove_file(entry.path()).map_err(OpenError::io("remove", &entry.path()))?;
        } else if let Some(number) = name.strip_suffix(".log").and_then(|text| text.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes the segments before the newest one that begins anew.
pub(super) fn drop_dead(dir: &Path, numbers: &mut Vec<u64>) -> Result<(), OpenError> {
    let mut alive_from = 0;
    for (index, number) in numbers.iter().enumerate() {
        let path = path(dir, *number);
        let mut file = File::open(&path).map_err(OpenError::io("open", &path))?;
        let len = file
            .metadata()
            .map_err(OpenError::io("read the size of", &path))?
            .len();
        let is_torn_last = len < HEADER_BYTES && index + 1 == numbers.len();
        if !is_torn_last && read_header(&mut file, &path)? & BEGINS_ANEW != 0 {
            alive_from = index;
        }
    }
    for number in numbers.drain(..alive_from) {
        let path = path(dir, number);
        fs::remove_file(&path).map_err(OpenError::io("remove", &path))?;
    }
    Ok(())
}

/// Writes a complete segment under a temporary name, syncs it, and gives it its name.
pub(super) fn write_snapshot(
    dir: &Path,
    number: u64,
    changes: impl Iterator<Item = Change>,
    buffer: &mut Vec<u8>,
) -> io::Result<Segment> {
    let temporary = path(dir, number).with_extension("log.tmp");
    let result = write_snapshot_file(&temporary, changes, buffer).and_then(|(file, len)| {
        fs::rename(&temporary, path(dir, number))?;
        File::open(dir)?.sync_all()?;
        Ok(Segment { file, number, len })
    });
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_snapshot_file(
    path: &Path,
    changes: impl Iterator<Item = Change>,
    buffer: &mut Vec<u8>,
) -> io::Result<(File, u64)> {
    let file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    writer.write_all(&header(true))?;
    let mut len = HEADER_BYTES;
    for change in changes {
        codec::encode_entry(&change, buffer);
        writer.write_all(buffer)?;
        len += buffer.len() as u64;
    }
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok((file, len))
}

/// The next entry; `Ok(None)` at the end of the file, `Err` with the reason where it is damaged.
fn read_entry(
    reader: &mut impl Read,
    remaining: u64,
    payload: &mut Vec<u8>,
    path: &Path,
) -> Result<Result<Option<Change>, &'static str>, OpenError> {
    if remaining == 0 {
        return Ok(Ok(None));
    }
    if remaining < ENTRY_HEADER_BYTES as u64 {
        return Ok(Err("an entry's header is cut off"));
    }
    let mut header = [0; ENTRY_HEADER_BYTES];
    reader
        .read_exact(&mut header)
        .map_err(OpenError::io("read", path))?;
    let (len, crc) = codec::decode_entry_header(header);
    if u64::from(len) > remaining - ENTRY_HEADER_BYTES as u64 {
        return Ok(Err("an entry is cut off"));
    }
    payload.resize(len as usize, 0);
    reader
        .read_exact(payload)
        .map_err(OpenError::io("read", path))?;
    Ok(codec::decode_payload(payload, crc).map(Some))
}

fn header(begins_anew: bool) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&FORMAT.to_le_bytes());
    header[10..12].copy_from_slice(&(if begins_anew { BEGINS_ANEW } else { 0 }).to_le_bytes());
    header
}

/// Checks a header and returns its flags.
fn read_header(reader: &mut impl Read, path: &Path) -> Result<u16, OpenError> {
    let mut header = [0; HEADER_BYTES as usize];
    reader
        .read_exact(&mut header)
        .map_err(OpenError::io("read the header of", path))?;
    if header[..8] != MAGIC {
        let reason = "it is not a journal of Millrace";
        return Err(OpenError::Corrupt {
            path: path.to_path_buf(),
            position: 0,
            reason,
        });
    }
    let found = u16::from_le_bytes([header[8], header[9]]);
    if found != FORMAT {
        return Err(OpenError::Version {
            path: path.to_path_buf(),
            found,
            expected: FORMAT,
        });
    }
    Ok(u16::from_le_bytes([header[10], header[11]]))
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal-{number:020}.log"))
}
