"""Accounts: name, API keys, usage, audit log, and export of all data (GDPR, articles 15 and 20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..auth import ROLES, SCOPES, Principal, require_account_wide, require_grantable
from ..errors import conflict, invalid, not_found
from ..oversight import Mode
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Account, AuditEntry, Contact, Key, Mailbox, Message
from .context import AppContext, find_mailbox
from .messages import OpenedMessage, may_see
from .webhooks import delete_webhook

PAGE_BYTES = 8 * 1024 * 1024
PAGE_MESSAGES = 200
_MAX_CONTACTS = 1_000_000


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new API key with its secret, which is shown once."""

    key: Key
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of an account in the last 30 days."""

    since_days: int
    counts: dict[str, int]
    mailboxes: int


def parse_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes in canonical order.

    Raises:
        ApiError: A scope is unknown, or send and oversight are combined (400).
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise invalid(
            f"`scopes` holds {', '.join(unknown) or 'nothing'}. Use some of {', '.join(SCOPES)}.",
            "invalid_scopes",
        )
    if {"send", "oversight"} <= set(scopes):
        raise invalid(
            "`scopes` cannot hold both send and oversight: such a key could approve what it sends. "
            "Create two keys.",
            "self_approval",
        )
    return tuple(scope for scope in SCOPES if scope in scopes)


class AccountService:
    """API: /v1/account, /v1/api-keys, /v1/usage, /v1/audit-log."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def create_first(
        self, address: str, mode: Mode, *, live: bool
    ) -> tuple[Mailbox, dict[str, str]] | None:
        """Create the first account, mailbox and three API keys; None if there is an account.

        An account that began with `multimail connect` gets its keys here. They are live: its mail
        leaves by the connected account.

        Returns:
            The mailbox, and the raw keys by their role: agent, reviewer, admin.
        """
        context, now = self._context, self._context.now()
        account = Account(context.ids.new("acc"), "default", now)
        mailbox = Mailbox(context.ids.new("mbx"), account.id, address, "", mode, now)

        def work(tx: Tx) -> tuple[Mailbox, dict[str, str]] | None:
            existing = tx.first_account()
            if existing is not None:
                boxes = tx.mailboxes(existing.id)
                if tx.keys(existing.id) or not boxes:
                    return None
                return boxes[0], self.create_first_keys(tx, existing.id, live=True)
            tx.put(account)
            tx.put(mailbox)
            resource = ("mailbox", mailbox.id)
            server = Principal.system(account.id)
            context.audit(tx, server, "mailbox.create", resource, mailbox_id=mailbox.id)
            return mailbox, self.create_first_keys(tx, account.id, live=live)

        return context.write(work)

    def create_first_keys(self, tx: Tx, account_id: str, *, live: bool) -> dict[str, str]:
        """Create a key for each role; return the raw keys: agent, reviewer, admin."""
        secrets = {}
        for role, scopes in ROLES.items():
            new = self._create_secret(account_id, role, scopes, live=live, mailbox_id=None)
            tx.put(new.key)
            resource = ("api_key", new.key.id)
            server = Principal.system(account_id)
            self._context.audit(tx, server, "api_key.create", resource, scopes=list(scopes))
            secrets[role] = new.secret
        return secrets

    def get_operator(self) -> Principal | None:
        """Return the principal of the person at the terminal; None if there is no account."""

        def work(tx: Reader) -> Principal | None:
            account = tx.first_account()
            if account is None:
                return None
            live = any(key.live for key in tx.keys(account.id))
            return Principal("", account.id, "terminal", frozenset(ROLES["admin"]), live=live)

        return self._context.store.read(work)

    def account(self, principal: Principal) -> Account:
        """Return the account of the key."""
        return self._context.store.read(lambda tx: _account(tx, principal))

    def rename(self, principal: Principal, name: str) -> Account:
        """Rename the account."""

        def work(tx: Tx) -> Account:
            renamed = replace(_account(tx, principal), name=name)
            tx.put(renamed)
            self._context.audit(
                tx, principal, "account.update", ("account", renamed.id), fields=["name"]
            )
            return renamed

        return self._context.write(work, Scope.of_account(principal.account_id))

    def close(self, principal: Principal) -> Account:
        """Close the account: every key is revoked, every mailbox and webhook retired.

        Nothing is erased but the signing secrets of the webhooks.
        """
        require_account_wide(principal)
        context, now = self._context, self._context.now()

        def work(tx: Tx) -> Account:
            closed = replace(_account(tx, principal), deleted_at=now)
            context.audit(tx, principal, "account.delete", ("account", closed.id))
            for hook in tx.webhooks(closed.id):
                delete_webhook(context, tx, principal, hook)
            tx.put(closed)
            for key in tx.keys(closed.id):
                tx.put(replace(key, revoked_at=key.revoked_at or now))
            for mailbox in tx.mailboxes(closed.id):
                tx.put(replace(mailbox, deleted_at=now))
            return closed

        return context.write(work, Scope.of_account(principal.account_id))

    def keys(self, principal: Principal) -> list[Key]:
        """Return the API keys that the principal can manage, oldest first."""
        return self._context.store.read(
            lambda tx: [
                key for key in tx.keys(principal.account_id) if principal.sees(key.mailbox_id)
            ]
        )

    def create_key(
        self,
        principal: Principal,
        name: str,
        scopes: Sequence[str],
        *,
        mailbox_id: str | None,
        live: bool | None,
    ) -> NewKey:
        """Create an API key; `mailbox_id` (id or address) binds it to one mailbox.

        Raises:
            ApiError: Unknown scopes, or send and oversight together (400); no such mailbox (404).
        """
        parsed = parse_scopes(scopes)
        require_grantable(principal, parsed)
        context = self._context

        def work(tx: Tx) -> NewKey:
            bound = (
                find_mailbox(tx, principal, mailbox_id).id if mailbox_id else principal.mailbox_id
            )
            is_live = principal.live if live is None else live
            new = self._create_secret(
                principal.account_id, name, parsed, live=is_live, mailbox_id=bound
            )
            tx.put(new.key)
            resource = ("api_key", new.key.id)
            context.audit(
                tx, principal, "api_key.create", resource, mailbox_id=bound, scopes=list(parsed)
            )
            return new

        return context.write(work, Scope.of_account(principal.account_id))

    def change_key(
        self, principal: Principal, key_id: str, name: str | None, scopes: Sequence[str] | None
    ) -> Key:
        """Change the name or the scopes of an API key."""
        parsed = None if scopes is None else parse_scopes(scopes)
        require_grantable(principal, parsed or ())

        def work(tx: Tx) -> Key:
            key = _key(tx, principal, key_id)
            if key.revoked_at is not None:
                raise conflict("revoked", f"Key {key_id} is revoked. Create a new one.")
            changed = replace(key, name=name or key.name, scopes=parsed or key.scopes)
            self._context.audit(
                tx,
                principal,
                "api_key.update",
                ("api_key", key.id),
                mailbox_id=key.mailbox_id,
                scopes=list(changed.scopes),
            )
            tx.put(changed)
            self._require_admin_left(tx, principal)
            return changed

        return self._context.write(work, Scope.of_account(principal.account_id))

    def revoke_key(self, principal: Principal, key_id: str) -> Key:
        """Revoke a key: it stops working, and messages it composed aren't sent any more."""

        def work(tx: Tx) -> Key:
            key = _key(tx, principal, key_id)
            if key.revoked_at is not None:
                return key
            revoked = replace(key, revoked_at=self._context.now())
            resource = ("api_key", key.id)
            # Recorded first: a key that revokes itself cannot record anything afterwards.
            self._context.audit(
                tx, principal, "api_key.revoke", resource, mailbox_id=key.mailbox_id
            )
            tx.put(revoked)
            self._require_admin_left(tx, principal)
            return revoked

        return self._context.write(work, Scope.of_account(principal.account_id))

    def usage(self, principal: Principal) -> Usage:
        """Return the number of messages in each direction in the last 30 days."""
        since = self._context.now() - timedelta(days=30)
        return self._context.store.read(
            lambda tx: Usage(
                30,
                tx.count_messages(principal.account_id, since),
                len(tx.mailboxes(principal.account_id)),
            )
        )

    def audit_log(
        self,
        principal: Principal,
        before_id: str | None,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[AuditEntry]:
        """Return up to `limit` + 1 audit entries older than `before_id`, newest first.

        Args:
            principal: Whose account and mailbox.
            before_id: An entry; None for the newest.
            limit: One less than the most entries that are returned.
            without: Actions whose entries are left out.
        """

        def work(tx: Reader) -> list[AuditEntry]:
            return tx.audit(
                principal.account_id, principal.mailbox_id, before_id, limit + 1, without
            )

        if before_id is not None:
            return self._context.store.read(work)
        return self._context.read_settled(principal.account_id, work)

    def _create_secret(
        self,
        account_id: str,
        name: str,
        scopes: tuple[str, ...],
        *,
        live: bool,
        mailbox_id: str | None,
    ) -> NewKey:
        secret = self._context.generate_key(live=live)
        key = Key(
            id=self._context.ids.new("key"),
            account_id=account_id,
            name=name,
            prefix=secret.prefix,
            sha256=secret.sha256,
            scopes=scopes,
            live=live,
            created_at=self._context.now(),
            mailbox_id=mailbox_id,
        )
        return NewKey(key, secret.text)

    def _require_admin_left(self, tx: Tx, principal: Principal) -> None:
        usable = [key for key in tx.keys(principal.account_id) if key.revoked_at is None]
        if not any("admin" in key.scopes and key.mailbox_id is None for key in usable):
            raise conflict(
                "last_admin_key",
                "This is the account's last admin key. Create another one first.",
            )


def _account(tx: Reader, principal: Principal) -> Account:
    account = tx.account(principal.account_id)
    if account is None:
        raise not_found("account", principal.account_id)
    return account


def _key(tx: Reader, principal: Principal, key_id: str) -> Key:
    key = tx.key(key_id)
    if key is None or key.account_id != principal.account_id or not principal.sees(key.mailbox_id):
        raise not_found("API key", key_id)
    return key


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """A message with everything that is stored of it; `raw` includes its attachments."""

    opened: OpenedMessage
    raw: bytes = b""
    hidden: bool = False
    """Whether the content is hidden from the key."""


@dataclass(frozen=True, slots=True)
class ExportPage:
    """A page of an export. The first page also holds the account itself."""

    messages: list[ExportedMessage]
    audit: list[AuditEntry]
    last_id: str | None
    """The cursor of the next page; None on the last page."""
    account: Account | None = None
    mailboxes: list[Mailbox] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)


class ExportService:
    """API: GET /v1/export."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def get_page(self, principal: Principal, after_id: str | None) -> ExportPage:
        """Return a page: the messages oldest first, then the audit log newest first.

        Args:
            principal: An account-wide admin key. A key that can send gets no hidden content.
            after_id: `last_id` of the previous page.
        """
        require_account_wide(principal)
        read = self._context.store.read
        if after_id is not None and after_id.startswith("aud_"):
            return read(lambda tx: _audit(tx, principal, after_id))
        page = read(lambda tx: _page(tx, principal, after_id))
        if page.last_id is not None:
            return page
        rest = self._context.read_settled(
            principal.account_id, lambda tx: _audit(tx, principal, None)
        )
        return replace(page, audit=rest.audit, last_id=rest.last_id)


def _page(tx: Reader, principal: Principal, after_id: str | None) -> ExportPage:
    messages, last_id = _messages(tx, principal, after_id or "")
    page = ExportPage(messages, [], last_id)
    return page if after_id is not None else _with_account(tx, principal, page)


def _messages(
    tx: Reader, principal: Principal, after_id: str
) -> tuple[list[ExportedMessage], str | None]:
    """Return the messages of a page, and the last id if there are more."""
    exported: list[ExportedMessage] = []
    size = 0
    rows = tx.messages_after(principal.account_id, after_id, PAGE_MESSAGES + 1)
    for message in rows[:PAGE_MESSAGES]:
        exported.append(_export(tx, principal, message))
        size += message.size
        if size >= PAGE_BYTES:
            break
    has_more = len(exported) < len(rows)
    return exported, exported[-1].opened.message.id if has_more else None


def _audit(tx: Reader, principal: Principal, before_id: str | None) -> ExportPage:
    entries = tx.audit(principal.account_id, None, before_id, PAGE_MESSAGES + 1)
    page = entries[:PAGE_MESSAGES]
    return ExportPage([], page, page[-1].id if len(entries) > PAGE_MESSAGES else None)


def _export(tx: Reader, principal: Principal, message: Message) -> ExportedMessage:
    if "send" in principal.scopes and not may_see(principal, message):
        return ExportedMessage(OpenedMessage(message, ""), hidden=True)
    content, files = tx.content(message.id), tx.attachments(message.id)
    opened = OpenedMessage(
        message,
        content.markdown if content else "",
        files,
        tx.tags(message.id),
        content.removed if content else (),
        content.notes if content else (),
    )
    return ExportedMessage(opened, content.raw if content else b"")


def _with_account(tx: Reader, principal: Principal, page: ExportPage) -> ExportPage:
    return replace(
        page,
        account=tx.account(principal.account_id),
        mailboxes=tx.mailboxes(principal.account_id),
        keys=tx.keys(principal.account_id),
        contacts=tx.contacts(principal.account_id, "", _MAX_CONTACTS),
    )
