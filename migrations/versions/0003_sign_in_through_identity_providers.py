"""Sign-in through identity providers

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-24 12:34:11.501272

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('provider_flows',
    sa.Column('state_hash', sa.String(), nullable=False),
    sa.Column('browser_hash', sa.String(), nullable=False),
    sa.Column('provider', sa.String(), nullable=False),
    sa.Column('nonce', sa.String(), nullable=False),
    sa.Column('verifier', sa.String(), nullable=False),
    sa.Column('next_path', sa.String(), nullable=False),
    sa.Column('invite_code', sa.String(), nullable=True),
    sa.Column('session_id', sa.Integer(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.id'], name=op.f('fk_provider_flows_session_id_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('state_hash', name=op.f('pk_provider_flows'))
    )
    with op.batch_alter_table('provider_flows', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_provider_flows_expires_at'), ['expires_at'], unique=False)



def downgrade():
    with op.batch_alter_table('provider_flows', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_provider_flows_expires_at'))

    op.drop_table('provider_flows')
