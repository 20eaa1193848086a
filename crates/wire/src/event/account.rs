//! Notices about accounts, and instructions, on the wire.

use super::external;
use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use bytes::Bytes;
use model::{
    AccountNotice, BaselineRule, Duty, ExternalId, Instruction, LocationId, MatchedLink, Side, VariantId,
    matching::{InvalidScore, Score},
};
use prost::Message as _;

/// Encodes an instruction about the object with the platform's id `external`.
pub fn encode_instruction(external: &ExternalId, instruction: &Instruction) -> Bytes {
    instruction_message(external, instruction).encode_to_vec().into()
}

/// Decodes an instruction and the platform's id of its object.
pub fn decode_instruction(body: Bytes) -> Result<(ExternalId, Instruction), DecodeError> {
    from_instruction(pb::Instruction::decode(body)?)
}

impl From<&AccountNotice> for pb::AccountNotice {
    fn from(notice: &AccountNotice) -> Self {
        let duty = match notice.duty {
            Duty::EraseCustomer => pb::Duty::EraseCustomer,
            Duty::ReportCustomer => pb::Duty::ReportCustomer,
            Duty::EraseAccount => pb::Duty::EraseAccount,
            Duty::AccessRevoked => pb::Duty::AccessRevoked,
        };
        Self { external: notice.external.to_string(), duty: duty.into() }
    }
}

impl TryFrom<pb::AccountNotice> for AccountNotice {
    type Error = DecodeError;
    fn try_from(notice: pb::AccountNotice) -> Result<Self, DecodeError> {
        let duty = match notice.duty() {
            pb::Duty::Unspecified => return Err(DecodeError::Missing("account.duty")),
            pb::Duty::EraseCustomer => Duty::EraseCustomer,
            pb::Duty::ReportCustomer => Duty::ReportCustomer,
            pb::Duty::EraseAccount => Duty::EraseAccount,
            pb::Duty::AccessRevoked => Duty::AccessRevoked,
        };
        Ok(Self { external: external(&notice.external, "account.external")?, duty })
    }
}

pub(super) fn instruction_message(external: &ExternalId, instruction: &Instruction) -> pb::Instruction {
    use pb::instruction::Instruction as Kind;
    let kind = match instruction {
        Instruction::Link { variant, to } => {
            Kind::Link(pb::LinkInstruction { variant: variant.to_string(), to: to.to_string() })
        }
        Instruction::LinkMatched(link) => Kind::LinkMatched(pb::LinkMatchedInstruction {
            variant: link.variant.to_string(),
            from: link.from.to_string(),
            to: link.to.to_string(),
            score_per_mille: link.score.per_mille().into(),
            is_automatic: link.is_automatic,
            is_only_variant: link.is_only_variant,
        }),
        Instruction::Unlink { variant } => {
            Kind::Unlink(pb::UnlinkInstruction { variant: variant.to_string() })
        }
        Instruction::LinkLocation { location, to } => Kind::LinkLocation(pb::LinkLocationInstruction {
            location: location.to_string(),
            to: to.to_string(),
        }),
        Instruction::Adopt { item, location, side } => Kind::Adopt(pb::AdoptInstruction {
            item: item.to_string(),
            location: location.to_string(),
            side: match side {
                Side::Store => pb::Side::Store,
                Side::Platform => pb::Side::Platform,
            }
            .into(),
        }),
        Instruction::Baseline(rule) => Kind::Baseline(pb::BaselineInstruction {
            rule: match rule {
                BaselineRule::Ask => pb::BaselineRule::Ask,
                BaselineRule::Store => pb::BaselineRule::Store,
                BaselineRule::Platform => pb::BaselineRule::Platform,
            }
            .into(),
        }),
    };
    pb::Instruction { external: external.to_string(), instruction: Some(kind) }
}

pub(super) fn from_instruction(message: pb::Instruction) -> Result<(ExternalId, Instruction), DecodeError> {
    use pb::instruction::Instruction as Kind;
    let instruction = match required(message.instruction, "instruction")? {
        Kind::Link(link) => Instruction::Link {
            variant: external(&link.variant, "link.variant")?,
            to: VariantId::new(&link.to).at("link.to")?,
        },
        Kind::LinkMatched(link) => Instruction::LinkMatched(MatchedLink {
            variant: external(&link.variant, "link_matched.variant")?,
            from: VariantId::new(&link.from).at("link_matched.from")?,
            to: VariantId::new(&link.to).at("link_matched.to")?,
            score: u16::try_from(link.score_per_mille)
                .map_err(|_| InvalidScore)
                .and_then(Score::new)
                .at("link_matched.score")?,
            is_automatic: link.is_automatic,
            is_only_variant: link.is_only_variant,
        }),
        Kind::Unlink(unlink) => Instruction::Unlink { variant: external(&unlink.variant, "unlink.variant")? },
        Kind::LinkLocation(link) => Instruction::LinkLocation {
            location: external(&link.location, "link_location.location")?,
            to: LocationId::new(&link.to).at("link_location.to")?,
        },
        Kind::Adopt(adopt) => Instruction::Adopt {
            side: match adopt.side() {
                pb::Side::Unspecified => return Err(DecodeError::Missing("adopt.side")),
                pb::Side::Store => Side::Store,
                pb::Side::Platform => Side::Platform,
            },
            item: external(&adopt.item, "adopt.item")?,
            location: LocationId::new(&adopt.location).at("adopt.location")?,
        },
        Kind::Baseline(baseline) => Instruction::Baseline(match baseline.rule() {
            pb::BaselineRule::Unspecified => return Err(DecodeError::Missing("baseline.rule")),
            pb::BaselineRule::Ask => BaselineRule::Ask,
            pb::BaselineRule::Store => BaselineRule::Store,
            pb::BaselineRule::Platform => BaselineRule::Platform,
        }),
    };
    Ok((external(&message.external, "instruction.external")?, instruction))
}
