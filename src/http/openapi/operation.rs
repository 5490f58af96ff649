//! What is said of one operation, beside what its handler's arguments say by themselves.

use super::{
    shapes::Shape,
    signature::{Signature, Who},
};

/// What an operation answers when it went well.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) shape: Option<Shape>,
    pub(super) has_location: bool,
}

/// One operation.
pub(crate) struct Operation {
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) roles: Option<&'static str>,
    pub(super) answers: Vec<Answer>,
    /// Statuses with which it is refused, beside those that follow from its arguments.
    pub(super) refusals: Vec<u16>,
    pub(super) is_idempotent: bool,
    pub(super) body: Option<Shape>,
    /// A parameter of the query that has to be there.
    pub(super) needed: Option<&'static str>,
    pub(super) signature: Option<Signature>,
}

/// An operation that does this, in a few words.
pub(crate) const fn op(summary: &'static str) -> Operation {
    Operation {
        summary,
        about: "",
        roles: None,
        answers: Vec::new(),
        refusals: Vec::new(),
        is_idempotent: false,
        body: None,
        needed: None,
        signature: None,
    }
}

impl Operation {
    /// What else there is to know.
    pub(crate) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Only these roles, where the handler's arguments do not say so.
    pub(crate) const fn roles(mut self, roles: &'static str) -> Self {
        self.roles = Some(roles);
        self
    }

    /// Only the clinic's systems.
    pub(crate) const fn for_services(self) -> Self {
        self.roles("service")
    }

    /// Who keeps the directory.
    pub(crate) const fn for_directory(self) -> Self {
        self.roles("service, or admin with the scope directory:write")
    }

    /// Administrators, and the clinic's systems on their behalf.
    pub(crate) const fn for_admins(self) -> Self {
        self.roles("admin or service")
    }

    /// Administrators and nobody else.
    pub(crate) const fn only_admins(self) -> Self {
        self.roles("admin")
    }

    /// Answers 200 with this.
    pub(crate) fn ok(self, shape: Shape) -> Self {
        self.answers(200, "application/json", Some(shape), false)
    }

    /// Answers 201 with this.
    pub(crate) fn created(self, shape: Shape) -> Self {
        self.answers(201, "application/json", Some(shape), false)
    }

    /// Answers 201 with this, and says where it is.
    pub(crate) fn created_somewhere(self, shape: Shape) -> Self {
        self.answers(201, "application/json", Some(shape), true)
    }

    /// Answers with this status and shape: no refusal, though it may say that something is wrong.
    pub(crate) fn also(self, status: u16, shape: Shape) -> Self {
        self.answers(status, "application/json", Some(shape), false)
    }

    /// Answers 200 with something that is not JSON.
    pub(crate) fn text(self, content_type: &'static str) -> Self {
        self.answers(200, content_type, None, false)
    }

    /// May be refused with this status too.
    pub(crate) fn or(mut self, status: u16) -> Self {
        self.refusals.push(status);
        self
    }

    /// The header `Idempotency-Key` makes a retry safe.
    pub(crate) const fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// This parameter of the query has to be there: utoipa takes all that have bounds of their
    /// own for optional.
    pub(crate) const fn needs(mut self, parameter: &'static str) -> Self {
        self.needed = Some(parameter);
        self
    }

    /// The body has this shape, which is narrower than the type that reads it.
    pub(crate) const fn body(mut self, shape: Shape) -> Self {
        self.body = Some(shape);
        self
    }

    pub(super) fn of(mut self, signature: Signature) -> Self {
        self.signature = Some(signature);
        self
    }

    fn answers(
        mut self,
        status: u16,
        content_type: &'static str,
        shape: Option<Shape>,
        has_location: bool,
    ) -> Self {
        self.answers.push(Answer {
            status,
            content_type,
            shape,
            has_location,
        });
        self
    }

    pub(super) fn who(&self) -> Who {
        self.signature.as_ref().map_or(Who::Anybody, |s| s.who)
    }

    /// All that there is to know, with who may do it.
    pub(super) fn description(&self) -> String {
        let who = match (self.roles, self.who()) {
            (Some(roles), _) => format!("Roles: {roles}."),
            (None, Who::Anybody) => "No token needed.".to_owned(),
            (None, Who::Bearer) => "Roles: any.".to_owned(),
            (None, Who::Person) => "Roles: any of a person, so all but service.".to_owned(),
            (None, Who::Role(role)) => format!("Roles: {role}."),
        };
        if self.about.is_empty() {
            who
        } else {
            format!("{}\n\n{who}", self.about)
        }
    }

    /// All statuses with which it may be refused.
    pub(super) fn all_refusals(&self) -> Vec<u16> {
        let mut all = self.refusals.clone();
        if let Some(signature) = &self.signature {
            if signature.who != Who::Anybody {
                all.extend([401, 403, 429, 503]);
            }
            if !signature.path.is_empty() {
                all.push(404);
            }
            if signature.query.is_some() {
                all.extend([400, 413]);
            }
            if signature.body.is_some() {
                all.extend([400, 408, 413, 415]);
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}
