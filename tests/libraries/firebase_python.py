"""Sends a push to each token with firebase-admin, and reports the outcome."""

import sys

import firebase_admin
from firebase_admin import credentials, messaging
from firebase_results import report
from google.auth.credentials import Credentials


class AccessToken(Credentials):
    """A credential that needs no server."""

    def refresh(self, request):
        """Give a token."""
        del request
        self.token = "access-token"


class Certificate(credentials.Base):
    """What the library takes for a service account."""

    def get_credential(self):
        """Give the credential."""
        return AccessToken()


port, *tokens = sys.argv[1:]
url = f"http://127.0.0.1:{port}/v1/projects/{{0}}/messages:send"
messaging._MessagingService.FCM_URL = url  # the library's address is fixed
firebase_admin.initialize_app(Certificate(), {"projectId": "p"})
notification = messaging.Notification("Hello")
pushes = [messaging.Message(token=token, notification=notification) for token in tokens]
report(messaging.send_each(pushes))
