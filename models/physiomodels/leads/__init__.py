"""Leads of an ECG out of others: linear regression and the encoder on people that neither knows."""
