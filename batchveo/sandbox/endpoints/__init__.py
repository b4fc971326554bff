"""The endpoints: functions that take the state and a call, and return the answer."""
