"""Drafts of forms: a POST saves the fields and redirects (303) to a page that shows the draft.

The address of a form contains at most the key of its draft (`?form=`); the fields stay on the
server. Each form has its key as a hidden field, and its user and address in a signed one, so that a
form sent after the end of the session is saved for its user.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from dashboard.ui.htmx import SeeOther
from dashboard.ui.list_url import with_query
from dashboard.ui.times import TimeFormatter
from isales_proxy.accounts import form_drafts
from isales_proxy.models import FormDraft, User

# Query parameters: the key of the draft, and a request for its review.
FORM: Final = "form"
REVIEW: Final = "review"
# Form fields.
KEY: Final = "key"
OWNER: Final = "owner"
DISCARD: Final = "discard"
_LEAVE: Final = "leave"
_SALT: Final = "callboard.form-draft"
_KEY: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_DRAFT_PARAMETERS: Final = (FORM, REVIEW)


@dataclass(frozen=True)
class OpenForm:
    """State of a form on its page. `data` are the saved fields, None for an empty form.

    The page validates a `judged` form. `outcome` is the address of the result of a submitted form.
    """

    key: str
    owner: str
    address: str
    data: QueryDict | None = field(default=None, repr=False)
    judged: bool = False
    notice: str = ""
    status: int = 200
    undone: bool = False
    restored_at: str = ""
    outcome: str = ""


def get_base_address(request: HttpRequest) -> str:
    """Return the address of this request without draft parameters."""
    query = request.GET.copy()
    for name in _DRAFT_PARAMETERS:
        query.pop(name, None)
    return with_query(request.path, query.urlencode())


def get_draft_address(address: str, key: str, *, review: bool = False) -> str:
    """Return the address of a form with the key of its draft."""
    query = urlencode({FORM: key} | ({REVIEW: "1"} if review else {}))
    return f"{address}{'&' if '?' in address else '?'}{query}"


def open_form(request: HttpRequest, address: str = "") -> OpenForm:
    """Return the form at `address` (default: that of the request).

    Its fields are those of the draft named by `?form=`, else of the newest draft of this address.
    Without a draft it has no fields and a new key.
    """
    user = cast("User", request.user)
    address = address or get_base_address(request)
    requested_key = request.GET.get(FORM, "")
    found: FormDraft | None = None
    restored = False
    if _KEY.fullmatch(requested_key):
        found = form_drafts.find(user=user, key=requested_key)
        if found is not None and found.address != address and not found.done:
            found = None
    elif request.method == "GET":
        found = form_drafts.find_latest(user=user, address=address)
        restored = found is not None
    if found is None:
        key = uuid.uuid4().hex
        lost = _("What you typed is no longer kept. Nothing has been saved.")
        notice = lost if requested_key else ""
        return OpenForm(key, _sign_owner(user, key, address), address, notice=notice)
    if found.done:
        return OpenForm(found.key, "", address, outcome=found.outcome_address or address)
    return OpenForm(
        key=found.key,
        owner=_sign_owner(user, found.key, address),
        address=address,
        data=found.fields,
        judged=found.judged and not restored,
        notice="" if restored else found.notice,
        status=200 if restored else found.status,
        undone=found.undone,
        restored_at=TimeFormatter(timezone.now()).short(found.saved_at)
        if restored or not found.judged
        else "",
    )


def redirect_to_outcome(request: HttpRequest, form: OpenForm) -> HttpResponse | None:
    """Redirect to the result of a form that was submitted before; None for any other form."""
    return _redirect_to_result(request, form.outcome) if form.outcome else None


def redirect_if_done(request: HttpRequest, *, key: str, address: str) -> HttpResponse | None:
    """Redirect like `redirect_to_outcome` for the form with this key; without a result, to
    `address`."""
    found = form_drafts.find(user=cast("User", request.user), key=key)
    if found is None or not found.done:
        return None
    return _redirect_to_result(request, found.outcome_address or address)


def _redirect_to_result(request: HttpRequest, address: str) -> HttpResponse:
    messages.info(request, _("This form was already sent. This is its result."))
    return SeeOther(address)


def get_posted_key(request: HttpRequest) -> str:
    """Return the key of the posted form, or a new one."""
    key = request.POST.get(KEY, "")
    return key if _KEY.fullmatch(key) else uuid.uuid4().hex


def save_and_redirect(
    request: HttpRequest,
    *,
    key: str,
    address: str = "",
    review: bool = False,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    """Save the posted fields and redirect (303) to the page that validates and shows them."""
    user = cast("User", request.user)
    address = address or get_base_address(request)
    if form_drafts.save(
        user=user,
        key=key,
        address=address,
        fields=request.POST,
        judged=True,
        notice=notice,
        status=status,
    ):
        return SeeOther(get_draft_address(address, key, review=review))
    if done := redirect_if_done(request, key=key, address=address):
        return done
    messages.error(request, _("The form is too long. Nothing has been saved."))
    return SeeOther(address)


def discard_if_asked(request: HttpRequest, *, leave: str, address: str = "") -> HttpResponse | None:
    """Delete the draft and redirect after “Cancel” or “Start over”; None for other buttons."""
    button = request.POST.get(DISCARD, "")
    if not button:
        return None
    address = address or get_base_address(request)
    user = cast("User", request.user)
    form_drafts.discard(user=user, key=get_posted_key(request), address=address)
    return SeeOther(get_local_address(request, leave) if button == _LEAVE else address)


def save_typed(request: HttpRequest) -> bool:
    """Save the fields of an unfinished form; ignore those of a submitted one.

    Returns False if they are too long or the form was created for another user.
    """
    owner = _read_owner(request)
    user = cast("User", request.user)
    if owner is None or not user.is_authenticated or owner[0] != user.pk:
        return False
    _pk, key, address = owner
    if form_drafts.save(user=user, key=key, address=address, fields=request.POST):
        return True
    found = form_drafts.find(user=user, key=key)
    return found is not None and found.done


def get_posted_address(request: HttpRequest) -> str:
    """Return the address of the posted form with its draft; "" without a valid signature."""
    owner = _read_owner(request)
    return get_draft_address(owner[2], owner[1]) if owner else ""


def save_undone(request: HttpRequest) -> str:
    """Save a form posted after the end of its session, for the user it was created for.

    Returns its address; "" without a valid signature or an active user.
    """
    owner = _read_owner(request)
    user = User.objects.filter(pk=owner[0], is_active=True).first() if owner else None
    if owner is None or user is None:
        return ""
    _pk, key, address = owner
    saved = form_drafts.save(user=user, key=key, address=address, fields=request.POST, undone=True)
    return get_draft_address(address, key) if saved else address


def get_local_address(request: HttpRequest, address: Any, *, default: str = "/") -> str:
    """Return `address` if it is one of this server, else `default`."""
    text = str(address or "")
    safe = (
        text.startswith("/")
        and len(text) <= form_drafts.LONGEST_ADDRESS
        and url_has_allowed_host_and_scheme(
            text, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )
    )
    return text if safe else default


def get_referring_address(request: HttpRequest) -> str:
    """Return the local address of the Referer; "" for other servers."""
    referer = request.headers.get("Referer", "")
    origin = f"{request.scheme}://{request.get_host()}"
    if not referer.startswith(f"{origin}/"):
        return ""
    return get_local_address(request, referer.removeprefix(origin), default="")


def get_previous_address(request: HttpRequest) -> str:
    """Return the local address of the Referer; "" if that is this page itself."""
    address = get_referring_address(request)
    return "" if address.partition("?")[0] == request.path else address


def _sign_owner(user: User, key: str, address: str) -> str:
    return signing.dumps([user.pk, key, address], salt=_SALT)


def _read_owner(request: HttpRequest) -> tuple[int, str, str] | None:
    """Return primary key of the user, key and address of the posted form; None without a valid
    signature."""
    signed = request.POST.get(OWNER, "")
    try:
        pk, key, address = signing.loads(signed, salt=_SALT, max_age=form_drafts.KEPT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return int(pk), str(key), str(address)
