//! A draft to the bytes that fit the client.
//!
//! As many answers as fit are kept, in their order, each with its additional records. One answer is kept even where its
//! additional records do not fit; an answer without records is given only when not even one record fits, and then TC
//! always says so.

use crate::draft::{Draft, Group, Record};
use crate::limits::{RECORD_BYTES_MIN, TCP_BYTES_MAX, UDP_BYTES_MAX, UDP_BYTES_PLAIN};
use crate::question::Edns;
use crate::writer::{Full, Writer};
use crate::{Context, Question, Settings};

const RECURSION_DESIRED: u8 = 1;

/// How the answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A stream, with room for 64 KiB.
    Tcp,
}

/// Packs a draft.
#[must_use]
pub fn pack(context: Context<'_>, draft: &Draft) -> Vec<u8> {
    let Context { question, settings, transport, .. } = context;
    let edns = question.edns.as_ref().filter(|_| draft.echoes_edns);
    let opt = edns.map(opt_record).unwrap_or_default();
    let bytes_max = bytes_max(question, transport);
    let limit = if draft.is_limited { plain_answers_max(context) } else { usize::MAX };
    let groups = &draft.groups[..draft.groups.len().min(limit)];
    let packer = Packer { question, draft, settings, opt: &opt, bytes_max };
    let is_cut = groups.len() < draft.groups.len();
    if let Ok(message) = packer.build(groups, true, is_cut && settings.enable_truncate) {
        return message;
    }
    // The longest run that fits with all its additional records; it grows with the number of answers.
    let (mut fits, mut too_many, mut best) = (0, groups.len(), None);
    while fits + 1 < too_many {
        let middle = fits.midpoint(too_many);
        match packer.build(&groups[..middle], true, settings.enable_truncate) {
            Ok(message) => (fits, best) = (middle, Some(message)),
            Err(Full) => too_many = middle,
        }
    }
    let one = groups.len().min(1);
    let is_cut = is_cut || groups.len() > 1;
    best.or_else(|| packer.build(&groups[..one], false, is_cut && settings.enable_truncate).ok())
        .or_else(|| packer.build(&[], false, true).ok())
        .unwrap_or_default()
}

/// The packet that asks a question of another server, with recursion wanted and without an OPT record.
#[must_use]
pub fn request(question: &Question) -> Vec<u8> {
    Writer::new(question, UDP_BYTES_PLAIN, false).finish([RECURSION_DESIRED, 0], [0; 3], &[])
}

/// Largest message that the client takes.
fn bytes_max(question: &Question, transport: Transport) -> usize {
    match (transport, &question.edns) {
        (Transport::Tcp, _) => TCP_BYTES_MAX,
        (Transport::Udp, None) => UDP_BYTES_PLAIN,
        (Transport::Udp, Some(edns)) => usize::from(edns.payload_bytes).clamp(UDP_BYTES_PLAIN, UDP_BYTES_MAX),
    }
}

/// The configured limit on the answers about a service: it holds for datagrams of the smallest size.
fn plain_answers_max(context: Context<'_>) -> usize {
    let Context { question, settings, transport, .. } = context;
    let is_small = transport == Transport::Udp && bytes_max(question, transport) == UDP_BYTES_PLAIN;
    if is_small { settings.udp_answer_limit.max(1) } else { usize::MAX }
}

/// More answers than will be packed, whatever they are; one is always left over where some are left out.
pub(crate) fn answers_wanted(context: Context<'_>) -> usize {
    let fitting = bytes_max(context.question, context.transport) / RECORD_BYTES_MIN;
    fitting.min(plain_answers_max(context)).saturating_add(1)
}

struct Packer<'a> {
    question: &'a Question,
    draft: &'a Draft,
    settings: &'a Settings,
    opt: &'a [u8],
    bytes_max: usize,
}

impl Packer<'_> {
    /// The message with these answers. Unless all additional records are needed, those that do not fit are left out.
    fn build(&self, groups: &[Group], needs_extras: bool, is_truncated: bool) -> Result<Vec<u8>, Full> {
        let mut writer = Writer::new(self.question, self.bytes_max, !self.settings.disable_compression);
        writer.reserve(self.opt.len());
        for group in groups {
            writer.record(&group.answer)?;
        }
        let authority = add_extras(&mut writer, self.draft.authority.iter(), needs_extras)?;
        let extras = groups.iter().flat_map(|group| &group.extras).chain(&self.draft.additional);
        let additional = add_extras(&mut writer, extras, needs_extras)? + u16::from(!self.opt.is_empty());
        let counts = [groups.len() as u16, authority, additional];
        Ok(writer.finish(self.flags(is_truncated), counts, self.opt))
    }

    fn flags(&self, is_truncated: bool) -> [u8; 2] {
        let draft = self.draft;
        let first = 0x80
            | u8::from(draft.is_authoritative) << 2
            | u8::from(is_truncated) << 1
            | u8::from(self.question.recursion_desired);
        [first, u8::from(draft.recursion_available) << 7 | draft.rcode.number()]
    }
}

fn add_extras<'r>(
    writer: &mut Writer<'_>,
    extras: impl Iterator<Item = &'r Record>,
    needs_all: bool,
) -> Result<u16, Full> {
    let mut count = 0;
    for record in extras {
        match writer.record(record) {
            Ok(()) => count += 1,
            Err(Full) if needs_all => return Err(Full),
            Err(Full) => {}
        }
    }
    Ok(count)
}

/// The OPT record of the answer: the client's own size, and its subnet with scope 0, because no answer depends on it.
fn opt_record(edns: &Edns) -> Vec<u8> {
    let mut opt = vec![0];
    opt.extend_from_slice(&41_u16.to_be_bytes());
    opt.extend_from_slice(&edns.payload_bytes.to_be_bytes());
    opt.extend_from_slice(&[0; 4]);
    let Some(subnet) = &edns.client_subnet else {
        opt.extend_from_slice(&[0; 2]);
        return opt;
    };
    let option_bytes = 4 + subnet.address.len() as u16;
    for number in [option_bytes + 4, 8, option_bytes, subnet.family] {
        opt.extend_from_slice(&number.to_be_bytes());
    }
    opt.extend_from_slice(&[subnet.source_prefix, 0]);
    opt.extend_from_slice(&subnet.address);
    opt
}
