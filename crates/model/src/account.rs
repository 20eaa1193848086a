//! Notices about a platform's account: duties that follow from privacy law and from a lost authorisation.

use crate::ExternalId;

/// A notice that a platform sends about the account, or about a person whose data it shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountNotice {
    /// The platform's id of what the notice names: a customer, or the account.
    pub external: ExternalId,
    /// The duty.
    pub duty: Duty,
}

/// A duty that follows from a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// Erase a customer's personal data.
    EraseCustomer,
    /// Report the personal data that is kept of a customer: a person has to answer.
    ReportCustomer,
    /// Erase the personal data of all customers of the account, which is gone.
    EraseAccount,
    /// Stop calling: the platform revoked the authorisation.
    AccessRevoked,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::EraseCustomer, Self::ReportCustomer, Self::EraseAccount, Self::AccessRevoked];

    /// The name that conflicts and labels carry.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::EraseCustomer => "erase_customer",
            Self::ReportCustomer => "report_customer",
            Self::EraseAccount => "erase_account",
            Self::AccessRevoked => "access_revoked",
        }
    }
}
