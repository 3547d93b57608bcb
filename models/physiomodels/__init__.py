"""The thin torch package: encoders, dual masking, pretraining, fusion, fine-tuning."""
