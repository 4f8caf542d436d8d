"""Certificates that a network and its compiled graph send the same spikes."""

from deploy.verification.verification import Certificate, certify, verify

__all__ = ["Certificate", "certify", "verify"]
