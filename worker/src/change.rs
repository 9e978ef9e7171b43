//! A table's change on its way through a repartition topic: old and new value in one, as Kafka
//! Streams' ChangedSerializer writes them (KIP-904).
//!
//! ```text
//!   old ‖ 0        new ‖ 1        varint length of new ‖ new ‖ old ‖ 2
//! ```

use millrace_expr::Bump;

/// Old and new value.
pub type OldAndNew<'b> = (Option<&'b [u8]>, Option<&'b [u8]>);

/// The bytes of a change; `None` where neither value is there, which no node forwards.
pub fn encode<'r>(old: Option<&[u8]>, new: Option<&[u8]>, arena: &'r Bump) -> Option<&'r [u8]> {
    let length = old.map_or(0, <[u8]>::len) + new.map_or(0, <[u8]>::len);
    let mut bytes = bumpalo::collections::Vec::with_capacity_in(length + 6, arena);
    let flag = match (old, new) {
        (None, None) => return None,
        (Some(old), None) => {
            bytes.extend_from_slice(old);
            0
        }
        (None, Some(new)) => {
            bytes.extend_from_slice(new);
            1
        }
        (Some(old), Some(new)) => {
            // Zigzag, as Kafka's varints are.
            let mut rest = (new.len() as u64) << 1;
            while rest >= 0x80 {
                bytes.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes.extend_from_slice(new);
            bytes.extend_from_slice(old);
            2
        }
    };
    bytes.push(flag);
    Some(bytes.into_bump_slice())
}

/// The values of a change; `None` where the bytes are none.
pub fn decode(bytes: &[u8]) -> Option<OldAndNew<'_>> {
    let (&flag, values) = bytes.split_last()?;
    match flag {
        0 => Some((Some(values), None)),
        1 => Some((None, Some(values))),
        2 => {
            let mut length: u64 = 0;
            let mut at = 0;
            loop {
                let byte = *values.get(at)?;
                length |= u64::from(byte & 0x7f) << (7 * at);
                at += 1;
                if byte & 0x80 == 0 {
                    break;
                }
                if at == 5 {
                    return None;
                }
            }
            let length = usize::try_from(length >> 1).ok()?;
            let values = &values[at..];
            let (new, old) = values.split_at_checked(length)?;
            Some((Some(old), Some(new)))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_written() {
        let arena = Bump::new();
        let long = vec![7u8; 300];
        for (old, new) in [
            (Some(&b"old"[..]), None),
            (None, Some(&b"new"[..])),
            (Some(b"old"), Some(b"new")),
            (Some(b""), Some(b"")),
            (Some(b"old"), Some(&long[..])),
        ] {
            let bytes = encode(old, new, &arena).unwrap();
            assert_eq!(decode(bytes), Some((old, new)));
        }
        assert_eq!(encode(None, None, &arena), None);
    }

    #[test]
    fn the_bytes_are_those_of_kafka_streams() {
        let arena = Bump::new();
        assert_eq!(encode(Some(b"o"), None, &arena).unwrap(), b"o\x00");
        assert_eq!(encode(None, Some(b"n"), &arena).unwrap(), b"n\x01");
        let both = encode(Some(b"o"), Some(b"n"), &arena).unwrap();
        assert_eq!(both, b"\x02no\x02");
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [
            &b""[..],
            b"x\x07",
            b"\x02",
            b"\xff\xff\xff\xff\xff\x02",
            b"\x08no\x02",
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
