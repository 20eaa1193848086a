//! Employees on the wire.

use super::{external, from_text_patch, text_patch};
use crate::{DecodeError, pb};
use model::{Employee, ExternalId, Workplaces};

impl From<&Employee> for pb::Employee {
    fn from(employee: &Employee) -> Self {
        Self {
            external: employee.external.to_string(),
            name: text_patch(&employee.name),
            email: text_patch(&employee.email),
            phone: text_patch(&employee.phone),
            roles: employee.roles.clone().map(|values| pb::TextList { values }),
            is_active: employee.is_active,
            workplaces: employee.workplaces.as_ref().map(pb::Workplaces::from),
        }
    }
}

impl TryFrom<pb::Employee> for Employee {
    type Error = DecodeError;
    fn try_from(employee: pb::Employee) -> Result<Self, DecodeError> {
        Ok(Self {
            external: external(&employee.external, "employee.external")?,
            name: from_text_patch(employee.name),
            email: from_text_patch(employee.email),
            phone: from_text_patch(employee.phone),
            roles: employee.roles.map(|roles| roles.values),
            is_active: employee.is_active,
            workplaces: employee.workplaces.map(Workplaces::try_from).transpose()?,
        })
    }
}

impl From<&Workplaces> for pb::Workplaces {
    fn from(workplaces: &Workplaces) -> Self {
        match workplaces {
            Workplaces::All => Self { all: true, locations: Vec::new() },
            Workplaces::Named(locations) => {
                Self { all: false, locations: locations.iter().map(ToString::to_string).collect() }
            }
        }
    }
}

impl TryFrom<pb::Workplaces> for Workplaces {
    type Error = DecodeError;
    fn try_from(workplaces: pb::Workplaces) -> Result<Self, DecodeError> {
        if workplaces.all {
            return Ok(Self::All);
        }
        let named = |location: &String| external(location, "employee.workplaces");
        let locations: Result<Vec<ExternalId>, DecodeError> =
            workplaces.locations.iter().map(named).collect();
        locations.map(Self::Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{EntityKind, Patch, Payload};

    #[test]
    fn an_employee_and_its_deletion_are_read_as_they_were_written() {
        let id = |text: &str| ExternalId::new(text).unwrap();
        let known = Employee {
            name: Patch::Set("Ada".to_owned()),
            email: Patch::Clear,
            roles: Some(vec!["Manager".to_owned()]),
            is_active: Some(false),
            workplaces: Some(Workplaces::Named(vec![id("l"), id("m")])),
            ..Employee::bare(id("e"))
        };
        let everywhere = Employee { workplaces: Some(Workplaces::All), ..Employee::bare(id("e")) };
        let nowhere = Employee { workplaces: Some(Workplaces::Named(Vec::new())), ..Employee::bare(id("e")) };
        let payloads = [known, everywhere, nowhere, Employee::bare(id("e"))].map(Payload::Employee);
        let deleted = Payload::Deleted { entity: EntityKind::Employee, external: id("e") };
        for payload in payloads.into_iter().chain([deleted]) {
            let written = pb::event::Payload::from(&payload);
            assert_eq!(Payload::try_from(written).unwrap(), payload);
        }
    }
}
