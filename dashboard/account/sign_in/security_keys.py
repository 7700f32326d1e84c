"""Security keys: the page on which one is removed."""

from __future__ import annotations

from typing import Any

from allauth.mfa.webauthn.views import RemoveWebAuthnView

from dashboard.account.sign_in.second_factor import SealedAdapter


class RemoveKeyView(RemoveWebAuthnView):
    """allauth's; but the last second factor of a person who must have one stays."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With a word on whether the key may go."""
        may = SealedAdapter().can_delete_authenticator(self.object)
        return {**super().get_context_data(**kwargs), "may_remove": may}

    def form_valid(self, form: Any) -> Any:
        """Remove it, or say why not."""
        if not SealedAdapter().can_delete_authenticator(self.object):
            return self.render_to_response(self.get_context_data(form=form), status=409)
        return super().form_valid(form)


remove_key = RemoveKeyView.as_view()
