"""The pages of the follow-up: patients, their lesions on a body drawing, photographs over time, two compared."""
